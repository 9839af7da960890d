// Node's own server in one process.

const http = require("node:http");

const HELLO = "Hello, World!";
const PIECE = Buffer.from(Array.from({ length: 16 * 1024 }, (_, n) => n % 251));
const PIECES = 64;

function answer(response, body, type = "text/plain") {
  response.writeHead(200, { "content-type": type, "content-length": body.length });
  response.end(body);
}

function stream(response) {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  let left = PIECES;
  const write = () => {
    while (left-- > 0) if (!response.write(PIECE)) return response.once("drain", write);
    response.end();
  };
  write();
}

const server = http.createServer((request, response) => {
  switch (`${request.method} ${request.url}`) {
    case "GET /": return answer(response, HELLO);
    case "GET /stream": return stream(response);
    case "POST /echo": {
      const pieces = [];
      request.on("data", (piece) => pieces.push(piece));
      request.on("end", () => answer(response, pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)));
      return;
    }
    case "POST /upload": {
      let bytes = 0;
      request.on("data", (piece) => { bytes += piece.length; });
      request.on("end", () => answer(response, String(bytes)));
      return;
    }
    default:
      response.writeHead(404);
      response.end();
  }
});
// Opening as many connections as are measured takes Node long, on a busy machine longer than the others' 75 seconds.
server.keepAliveTimeout = 600_000;
const [host, port] = process.argv[2].split(":");
server.listen(Number(port), host);
