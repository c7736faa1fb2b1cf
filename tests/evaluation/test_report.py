"""The table of a model card, and scores whose protocol is missing."""

import pytest
from score_report import REPORT

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.report import as_markdown, check_protocols
from dmgan_tf.inference import presets


def test_table_has_every_score_with_its_protocol():
    report = REPORT | {"fid_damsm_blurred": 200.0}
    check_protocols(report, "report")
    assert as_markdown(report).splitlines() == [
        "| score | drawn | real pictures | blurred real pictures | protocol |",
        "|---|---|---|---|---|",
        "| fid_damsm | 12.25 | 1.5 | 200 | network damsm |",
        "| r_precision | 0.75 ± 0.025 |  |  | candidates 100 |",
        "",
        "Of all scores: images 100, seed 0, judge ad0f42acf63e41a4.",
    ]


def test_scores_of_the_presets_have_their_protocols():
    for name in presets.names():
        scores = presets.load_card(presets.find(name)).scores
        if scores:
            check_protocols(scores, name)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({}, "x.json: holds no scores."),
        ({"images": 3, "protocol": {}}, "x.json: holds no scores."),
        ({"protocol": {"fid_damsm": {}}}, "x.json: holds no fid_damsm."),
        (
            REPORT | {"is_damsm": 3.0},
            "x.json: has no protocol of is_damsm, so nobody can repeat it.",
        ),
    ],
    ids=["empty", "no protocol", "no score", "one without"],
)
def test_report_without_a_score_or_its_protocol_is_refused(report, told):
    with pytest.raises(UserError) as caught:
        check_protocols(report, "x.json")
    assert str(caught.value).startswith(told)
