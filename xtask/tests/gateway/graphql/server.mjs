// A GraphQL server of the reference implementation, graphql-js, on any path; what its root fields were really asked to do, it
// writes into a file. It takes batches, and a form is written down by its `Action`.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { buildSchema, graphql } from 'graphql';

const [port, log] = process.argv.slice(2);
const done = (what) => (appendFileSync(log, what + '\n'), what);

const schema = buildSchema(`
  input Input { file: String!, tags: [String!] }
  type Query { hello: String, user(id: ID!): String }
  type Mutation { tag(input: Input!, note: String): String, deleteUser(id: ID!): String }
`);
const rootValue = {
  hello: () => done('hello'),
  user: ({ id }) => done(`user ${id}`),
  tag: ({ input, note }) => done(`tag ${input.file} ${input.tags ?? ''} ${JSON.stringify(note ?? '')}`),
  deleteUser: ({ id }) => done(`delete ${id}`),
};

const run = ({ query, variables, operationName }) =>
  graphql({ schema, rootValue, source: query, variableValues: variables, operationName });

createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const url = new URL(request.url, 'http://localhost');
  let answer;
  if (url.pathname === '/aws') {
    answer = done(`action ${new URLSearchParams(body).get('Action')}`);
  } else if (request.method === 'GET') {
    const { query, variables, operationName } = Object.fromEntries(url.searchParams);
    answer = await run({ query, operationName, variables: variables && JSON.parse(variables) });
  } else {
    const posted = JSON.parse(body);
    answer = Array.isArray(posted) ? await Promise.all(posted.map(run)) : await run(posted);
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
}).listen(Number(port), '127.0.0.1');
