// A provider on loopback: `node provider.mjs REDIRECT_URI` prints its issuer. Anybody logs in with any name; the groups
// of each are what was last sent to `/control/groups/NAME`.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const groups = new Map();
let provider = null;

async function body(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

const server = createServer(async (request, response) => {
  const control = /^\/control\/groups\/([\w-]+)$/.exec(request.url);
  if (control === null) return provider(request, response);
  groups.set(control[1], JSON.parse(await body(request)));
  response.writeHead(204).end();
});

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const made = new Provider(issuer, {
    clients: [
      {
        client_id: "countersign",
        client_secret: "secret-secret-secret-secret-secret",
        redirect_uris: [process.argv[2]],
      },
    ],
    claims: { openid: ["sub", "groups"], profile: ["name"] },
    cookies: { keys: ["a key for a test"] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, name: `${sub} of the provider`, groups: groups.get(sub) ?? [] }),
    }),
    pkce: { required: () => true },
  });
  provider = made.callback();
  console.log(issuer);
});
