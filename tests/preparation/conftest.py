"""Small real data sets, laid out as people find them."""

import json

import pytest
from small_pictures import COLORS, save_picture


@pytest.fixture
def mine(tmp_path):
    """Anybody's folder: four pictures with a text file each."""
    for i, color in enumerate(COLORS):
        save_picture(tmp_path / "mine" / f"{color}.jpg", color)
        (tmp_path / "mine" / f"{color}.txt").write_text(
            f"a {color} bird\nthe {color} bird no {i}\n"
        )
    return tmp_path / "mine"


@pytest.fixture
def cub_folder(tmp_path):
    """CUB-200-2011 of two training classes and a test class, two pictures each."""
    root = tmp_path / "found" / "CUB_200_2011"
    images, boxes, number = [], [], 0
    for class_id, name in ((1, "Albatross"), (2, "Crow"), (3, "Wren")):
        for i, color in enumerate(("red", "blue")):
            number += 1
            stem = f"{class_id:03d}.{name}/{name}_{i:04d}_{number}"
            save_picture(root / "images" / f"{stem}.jpg", color)
            images.append(f"{number} {stem}.jpg")
            boxes.append(f"{number} 10.0 5.0 20.0 16.0")
            text = tmp_path / "found" / "text_c10" / f"{stem}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("".join(f"a {color} bird number {j}\n" for j in range(10)))
    (root / "images.txt").write_text("\n".join(images) + "\n")
    (root / "bounding_boxes.txt").write_text("\n".join(boxes) + "\n")
    return tmp_path / "found"


@pytest.fixture
def coco_folder(tmp_path):
    """COCO 2014 of three training and two validation pictures."""
    for split, numbers in (("train2014", (9, 25, 30)), ("val2014", (42, 73))):
        images, annotations = [], []
        for number in numbers:
            name = f"COCO_{split}_{number:012d}.jpg"
            save_picture(tmp_path / "coco" / split / name, "green")
            images.append({"id": number, "file_name": name, "height": 30, "width": 40})
            annotations += [
                {"id": 10 * number + i, "image_id": number, "caption": f"A green thing no {i}.\n"}
                for i in range(5)
            ]
        path = tmp_path / "coco" / "annotations" / f"captions_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return tmp_path / "coco"
