"""gRPC's health: Check alone. A Watch that its caller doesn't read would hold a stream for ever."""

import grpc
from grpc_health.v1 import health_pb2

from dmgan_tf.serving.served_models import ServedModels

_STATES = health_pb2.HealthCheckResponse


def handler(models: ServedModels) -> grpc.GenericRpcHandler:
    """What a server routes the call to: SERVING as long as every model answers."""

    def check(request, context):
        if request.service:
            context.abort(grpc.StatusCode.NOT_FOUND, "Only the server as a whole has a health.")
        return _STATES(status=_STATES.SERVING if models.available() else _STATES.NOT_SERVING)

    call = grpc.unary_unary_rpc_method_handler(
        check, health_pb2.HealthCheckRequest.FromString, _STATES.SerializeToString
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": call})
