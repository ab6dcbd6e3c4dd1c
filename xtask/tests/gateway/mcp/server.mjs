// An MCP server of the official TypeScript SDK's first line: what it was really asked to do, it writes into a file.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as z from 'zod';

const [port, log] = process.argv.slice(2);
const text = (what) => {
  appendFileSync(log, what + '\n');
  return `did ${what}`;
};
const result = (what) => ({ content: [{ type: 'text', text: text(what) }] });

function server() {
  const mcp = new McpServer({ name: 'issues', version: '1.0.0' });
  const tool = (name, inputSchema, what) =>
    mcp.registerTool(name, { description: name, inputSchema }, async (args) => result(what(args)));
  tool('create_issue', { title: z.string(), public: z.boolean().optional() }, ({ title }) => `create ${title}`);
  tool('close_issue', { number: z.number() }, ({ number }) => `close ${number}`);
  tool('delete_repository', { name: z.string() }, ({ name }) => `delete ${name}`);
  for (const name of ['handbook', 'salaries'])
    mcp.registerResource(name, `docs://${name}`, {}, async (uri) => ({
      contents: [{ uri: uri.href, text: text(`read ${name}`) }],
    }));
  return mcp;
}

const sessions = new Map();
createServer(async (request, response) => {
  let transport = sessions.get(request.headers['mcp-session-id']);
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    await server().connect(transport);
  }
  await transport.handleRequest(request, response);
}).listen(Number(port), '127.0.0.1');
