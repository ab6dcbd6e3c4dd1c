"""A client of the official Python SDK: does each step that it reads and says in one line what came of it."""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

url, mode = sys.argv[1:]


async def step(client, step):
    try:
        if step["do"] == "call":
            result = await client.call_tool(step["name"], step["arguments"])
            return {"is_error": bool(result.is_error), "text": result.content[0].text}
        if step["do"] == "list":
            return {"tools": [tool.name for tool in (await client.list_tools()).tools]}
        if step["do"] == "prompt":
            return {"text": (await client.get_prompt(step["name"])).messages[0].content.text}
        if step["do"] == "ping":
            await client.send_ping()
            return {"pong": True}
        result = await client.read_resource(step["uri"])
        return {"text": result.contents[0].text}
    except Exception as error:
        code = getattr(getattr(error, "error", None), "code", None)
        return {"thrown": str(error), "code": code}


async def main():
    async with httpx2.AsyncClient(headers={"x-agent": "helper"}, timeout=90) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            print(json.dumps({"version": client.protocol_version}), flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                print(json.dumps(await step(client, json.loads(line))), flush=True)


asyncio.run(main())
