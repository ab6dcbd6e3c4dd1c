"""An MCP server of the official Python SDK: what it was really asked to do, it writes into a file."""

import sys

from mcp.server import MCPServer

port, log, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
server = MCPServer("issues")


def done(what: str) -> str:
    with open(log, "a", encoding="utf-8") as file:
        file.write(what + "\n")
    return "did " + what


@server.tool()
def create_issue(title: str, public: bool = False) -> str:
    return done(f"create {title}")


@server.tool()
def close_issue(number: int) -> str:
    return done(f"close {number}")


@server.tool()
def delete_repository(name: str) -> str:
    return done(f"delete {name}")


@server.resource("docs://handbook")
def handbook() -> str:
    return done("read handbook")


@server.resource("docs://salaries")
def salaries() -> str:
    return done("read salaries")


@server.prompt()
def triage() -> str:
    return done("prompt triage")


@server.prompt(name="salaries")
def about_salaries() -> str:
    return done("prompt salaries")


server.run(transport="streamable-http", host="127.0.0.1", port=port, streamable_http_path=path)
