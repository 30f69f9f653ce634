// The floor of a node:http server: the body is read, a constant is answered.
import { createServer } from 'node:http';
const body = Buffer.from(JSON.stringify({ output: [[0.1, 0.2, 0.7]], pad: 'x'.repeat(165) }));
createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
