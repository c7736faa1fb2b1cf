"""KServe's Open Inference Protocol over REST.

    GET  /v2, /v2/health/live, /v2/health/ready
    GET  /v2/models/NAME[/versions/N][/ready]
    POST /v2/models/NAME[/versions/N]/infer    {"inputs": [{"name", "datatype", "shape", "data"}]}

`{"parameters": {"signature_name": …}}` asks for another signature than the default.
"""

import functools

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dmgan_tf import __version__
from dmgan_tf.serving import kserve_json, kserve_tensors
from dmgan_tf.serving.model import DEFAULT_SIGNATURE
from dmgan_tf.serving.rest import RestInterface, choice_of
from dmgan_tf.serving.served_model import ServedModel

SERVER = {
    "name": "dmgan_tf",
    "version": __version__,
    "extensions": ["binary_tensor_data"],
}


def routes(rest: RestInterface) -> list[Route]:
    """The protocol's routes, whose predictions `rest` runs."""

    async def infer(request: Request, served: ServedModel) -> Response:
        size = request.headers.get(kserve_json.HEAD_SIZE)
        return await rest.predict(
            functools.partial(kserve_json.parse, head_size=size), request, served
        )

    async def server_ready(request: Request) -> Response:
        ready = rest.models.available()
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    found = [
        Route("/v2", _server),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", server_ready),
    ]
    for version in ("", "/versions/{version}"):
        base = "/v2/models/{name}" + version
        found += [
            rest.counted(base + "/infer", infer, "POST"),
            rest.counted(base + "/ready", _model_ready),
            rest.counted(base, _model),
        ]
    return found


async def _server(request: Request) -> Response:
    return JSONResponse(SERVER)


async def _live(request: Request) -> Response:
    return JSONResponse({"live": True})


async def _model_ready(request: Request, served: ServedModel) -> Response:
    served.model(choice_of(request))
    return JSONResponse({"name": served.name, "ready": True})


async def _model(request: Request, served: ServedModel) -> Response:
    _, model = served.model(choice_of(request))
    signature = model.signature(DEFAULT_SIGNATURE)
    return JSONResponse(kserve_tensors.metadata(served.name, served.answering(), signature))
