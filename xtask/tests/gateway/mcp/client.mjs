// A client of the official TypeScript SDK, of its first or second line: does each step that it reads and says in one
// line what came of it.
import { createInterface } from 'node:readline';

const [url, version] = process.argv.slice(2);
const info = { name: 'helper', version: '1.0.0' };
const second = version === '2026-07-28';
const first = version === '2025-11-25' ? '@modelcontextprotocol/sdk' : `sdk-${version}`;
const { Client } = await import(second ? '@modelcontextprotocol/client' : `${first}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(
  second ? '@modelcontextprotocol/client' : `${first}/client/streamableHttp.js`
);
const say = (line) => console.log(JSON.stringify(line));

const client = new Client(info, second ? { versionNegotiation: { mode: { pin: version } } } : {});
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { 'x-agent': 'helper' } } });
// Not every line tells what was agreed on: the server's answer does.
let agreed = version;
const start = transport.start.bind(transport);
transport.start = async () => {
  const deliver = transport.onmessage;
  transport.onmessage = (message, ...rest) => {
    agreed = message.result?.protocolVersion ?? agreed;
    deliver(message, ...rest);
  };
  return start();
};
await client.connect(transport);
say({ version: second ? client.getNegotiatedProtocolVersion?.() ?? version : agreed });

async function step({ do: what, name, arguments: args, uri }) {
  try {
    if (what === 'call') {
      const result = await client.callTool({ name, arguments: args });
      return { is_error: result.isError === true, text: result.content[0].text };
    }
    if (what === 'list') return { tools: (await client.listTools()).tools.map((tool) => tool.name) };
    if (what === 'prompt') return { text: (await client.getPrompt({ name })).messages[0].content.text };
    if (what === 'ping') return { pong: Boolean(await client.ping()) };
    return { text: (await client.readResource({ uri })).contents[0].text };
  } catch (error) {
    return { thrown: String(error.message), code: error.code ?? null };
  }
}

for await (const line of createInterface({ input: process.stdin })) say(await step(JSON.parse(line)));
await client.close();
process.exit(0);
