// An MCP server of the official TypeScript SDK's first line, of one of its protocol versions: what it was really asked to
// do, it writes into a file.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';

const [port, log, , version] = process.argv.slice(2);
const newest = version === '2025-11-25';
const sdk = newest ? '@modelcontextprotocol/sdk' : `sdk-${version}`;
const { McpServer } = await import(`${sdk}/server/mcp.js`);
const { StreamableHTTPServerTransport } = await import(`${sdk}/server/streamableHttp.js`);
const z = await import(newest ? 'zod' : 'zod/v3');

const text = (what) => {
  appendFileSync(log, what + '\n');
  return `did ${what}`;
};
const content = (what) => ({ type: 'text', text: text(what) });

function server() {
  const mcp = new McpServer({ name: 'issues', version: '1.0.0' });
  const tool = (name, shape, what) => mcp.tool(name, shape, async (args) => ({ content: [content(what(args))] }));
  tool('create_issue', { title: z.string(), public: z.boolean().optional() }, ({ title }) => `create ${title}`);
  tool('close_issue', { number: z.number() }, ({ number }) => `close ${number}`);
  tool('delete_repository', { name: z.string() }, ({ name }) => `delete ${name}`);
  for (const name of ['handbook', 'salaries'])
    mcp.resource(name, `docs://${name}`, async (uri) => ({
      contents: [{ uri: uri.href, text: text(`read ${name}`) }],
    }));
  for (const name of ['triage', 'salaries'])
    mcp.prompt(name, async () => ({ messages: [{ role: 'user', content: content(`prompt ${name}`) }] }));
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
