// A client of the official TypeScript SDK, of its first or second line: does each step that it reads and says in one
// line what came of it.
import { createInterface } from 'node:readline';

const [url, mode] = process.argv.slice(2);
const info = { name: 'helper', version: '1.0.0' };
const second = mode !== 'legacy';
const { Client } = await import(second ? '@modelcontextprotocol/client' : '@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await import(
  second ? '@modelcontextprotocol/client' : '@modelcontextprotocol/sdk/client/streamableHttp.js'
);
const say = (line) => console.log(JSON.stringify(line));

const client = new Client(info, second ? { versionNegotiation: { mode: { pin: mode } } } : {});
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { 'x-agent': 'helper' } } });
await client.connect(transport);
say({ version: second ? client.getNegotiatedProtocolVersion?.() ?? mode : transport.protocolVersion });

async function step({ do: what, name, arguments: args, uri }) {
  try {
    if (what === 'call') {
      const result = await client.callTool({ name, arguments: args });
      return { is_error: result.isError === true, text: result.content[0].text };
    }
    if (what === 'list') return { tools: (await client.listTools()).tools.map((tool) => tool.name) };
    return { text: (await client.readResource({ uri })).contents[0].text };
  } catch (error) {
    return { thrown: String(error.message), code: error.code ?? null };
  }
}

for await (const line of createInterface({ input: process.stdin })) say(await step(JSON.parse(line)));
await client.close();
process.exit(0);
