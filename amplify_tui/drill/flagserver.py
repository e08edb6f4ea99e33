"""The bundled flag server: the part of Unleash OSS that Amplify and its SDKs use, on starlette.

Only HTTP here: routes, tokens, status codes. The rules are in flagrules.py, the state in flagstore.py and
flagstrategies.py, the admin calls in flagadmin.py, what SDKs see in flagclient.py and what they report in flagusage.py.
The tests hold this server and a real one to the same contract.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amplify_tui.drill import flagclient, flagviews, lifeline
from amplify_tui.drill.flagadmin import ADMIN, Call, Handler, Server
from amplify_tui.drill.flagrules import FlagError, bad_data
from amplify_tui.drill.flagsegments import ServerConfig, Token

NOBODY = "You must log in to use Unleash."
NO_HEADER = (
    f"{NOBODY} Your request had no authorization header, so we could not authorize you. "
    "Try logging in at /auth/simple/login"
)
NO_SDK = "This endpoint requires an API token. Please add an authorization header to your request with a valid token"
WRONG_TYPE = "invalid token: expected a different token type for this endpoint"
SEMVER = re.compile(r"(\d+)\.(\d+)\.\d+(?:[-+].*)?$", re.ASCII)
SPEC_WITH_SEGMENTS = (4, 2)  # clients from this specification on resolve segments themselves


def _refusal(message: str, status: int) -> Response:
    return JSONResponse({"message": message}, status)


def _guard(server: Server, request: Request, kinds: tuple[str, ...]) -> Token | Response:
    header = request.headers.get("authorization", "")
    token = server.tokens.find(header)
    if token is not None:
        return token if token.type in kinds else _refusal(WRONG_TYPE, 403)
    if "admin" not in kinds:
        return _refusal(NO_SDK, 401)
    name, words = ("UnauthorizedError", NOBODY) if header else ("AuthenticationRequired", NO_HEADER)
    return JSONResponse({"name": name, "message": words, "details": [{"message": words}]}, 401)


async def _body(request: Request) -> Any:
    raw = await request.body()
    if not raw:
        return {}
    kind = request.headers.get("content-type", "")
    if not kind.startswith("application/json"):
        words = f"We do not accept the content-type you provided ({kind})."
        raise FlagError(415, "ContentTypeError", words)
    return json.loads(raw)


def _admin(server: Server, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        token = _guard(server, request, ("admin",))
        if isinstance(token, Response):
            return token
        body = await _body(request)
        path = {key: str(value) for key, value in request.path_params.items()}
        answer = handler(server, Call(token.actor, path, dict(request.query_params), body))
        if isinstance(answer, Response):
            return answer
        return Response() if answer is None else JSONResponse(answer)

    return endpoint


def _inlines(request: Request) -> bool:
    """Whether the client cannot resolve segments itself, which its specification tells. Raises 400 for nonsense."""
    said = request.headers.get("unleash-client-spec", "")
    if not said:
        return True
    found = SEMVER.match(said)
    if found is None:
        kind = "SemVer" if said[0].isdigit() else "prefix"
        raise bad_data(f'Invalid {kind} in the Unleash-Client-Spec header: "{said}".')
    return (int(found[1]), int(found[2])) < SPEC_WITH_SEGMENTS


def _client_routes(server: Server) -> list[Route]:
    async def features(request: Request) -> Response:
        token = _guard(server, request, ("client",))
        if isinstance(token, Response):
            return token
        prefix, inline = request.query_params.get("namePrefix", ""), _inlines(request)
        answer = flagclient.payload(server.store, server.segments, token.environment, prefix=prefix, inline=inline)
        etag = answer["meta"]["etag"]
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304)
        return JSONResponse(answer, headers={"ETag": etag})

    async def post(request: Request) -> Response:
        token = _guard(server, request, ("client",))
        if isinstance(token, Response):
            return token
        body = await _body(request)
        if request.url.path.endswith("/metrics"):
            server.usage.add(body, token.environment, server.store.flags)
        else:
            server.usage.register(body, token.environment)
        return Response(status_code=202)

    async def frontend(request: Request) -> Response:
        token = _guard(server, request, ("frontend",))
        if isinstance(token, Response):
            return token
        answer = flagclient.payload(server.store, server.segments, token.environment)
        on = flagclient.evaluate(answer, flagviews.context_of(dict(request.query_params)))
        return JSONResponse(
            {"toggles": [{"name": n, "enabled": True, "variant": v} for n, (is_on, v) in on.items() if is_on]}
        )

    async def health(_request: Request) -> Response:
        return JSONResponse({"health": "GOOD"})

    return [
        Route("/health", health),
        Route("/ready", health),
        Route("/api/client/features", features),
        Route("/api/client/register", post, methods=["POST"]),
        Route("/api/client/metrics", post, methods=["POST"]),
        Route("/api/frontend", frontend),
    ]


def application(tokens: tuple[Token, ...]) -> Starlette:
    """The whole server as an ASGI application, empty."""
    server = Server(tokens)
    admin = [Route(path, _admin(server, handler), methods=[method]) for method, path, handler in ADMIN]
    refusals: dict[Any, Any] = {404: _missing, 405: _missing, FlagError: _refused, json.JSONDecodeError: _unread}
    return Starlette(routes=[*admin, *_client_routes(server)], exception_handlers=refusals)


async def _refused(_request: Request, refusal: FlagError) -> Response:
    return JSONResponse(refusal.body(), refusal.status)


async def _unread(_request: Request, problem: json.JSONDecodeError) -> Response:
    return _refusal(str(problem), 400)


async def _missing(request: Request, _problem: Exception) -> Response:
    words = f"The path you were looking for ({request.url.path}) is not available."
    return JSONResponse(FlagError(404, "NotFoundError", words).body(), 404)


async def serve(config: ServerConfig, descriptor: int) -> None:
    """Serve until the parent is gone."""
    lifeline.obey(descriptor)
    options = uvicorn.Config(
        application(config.tokens), log_level="warning", lifespan="off", ws="none", access_log=False
    )
    await uvicorn.Server(options).serve(sockets=[socket.socket(fileno=config.fd)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    config = msgspec.json.decode(options.config.read_bytes(), type=ServerConfig)
    asyncio.run(serve(config, options.lifeline))


if __name__ == "__main__":
    main()
