"""The studio's page at `/`, which draws through the REST interface beside it."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dmgan_tf.errors import UserError
from dmgan_tf.export.saved_model import DESCRIPTION
from dmgan_tf.serving.request_error import RequestError
from dmgan_tf.serving.served_models import ServedModels
from dmgan_tf.studio import folder
from dmgan_tf.studio.static_server import TYPES, headers

_OF_THE_FOLDER = ("offline.js",)  # what a page without a server has


def routes(models: ServedModels, name: str) -> list[Route]:
    """The page and its files; `/studio.json` describes the model's newest version.

    Raises: UserError: when that version doesn't say what its words are.
    """
    if models[name].newest() is not None:
        _description(models, name)
    always = headers((folder.PAGE / "index.html").read_text(encoding="utf-8"))

    async def describe(_: Request) -> Response:
        try:
            return JSONResponse(_description(models, name), headers=always)
        except RequestError as error:
            reason = str(error)
        except UserError:  # of a version that has come since; callers needn't know its path
            reason = "The model doesn't say what its words are: it must be exported again."
        return JSONResponse({"error": reason}, 404, headers=always)

    found = [Route("/studio.json", describe)]
    for path in folder.PAGE.iterdir():
        if path.name not in _OF_THE_FOLDER:
            found.append(Route(f"/{path.name}", _file(path, always)))
    return [*found, Route("/", _file(folder.PAGE / "index.html", always))]


def _file(path, always):
    content, kind = path.read_bytes(), TYPES[path.suffix]

    async def answer(_: Request) -> Response:
        return Response(content, headers=always, media_type=kind)

    return answer


def _description(models, name):
    _, model = models[name].model(None)
    path = model.directory / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"--studio: {path}: can't be read, so the page doesn't know the model's words. "
            "Export the model again: dmgan export saved-model."
        ) from error
    return {"format": 1, "name": name, **described}
