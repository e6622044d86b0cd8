// One WebSocket connection by npm ws, driven by lines: standard input is sent (a line is a JSON string of the
// text, or null to close), standard output tells what happens, one JSON object per line.
//
//   node client.mjs '{"url": "ws://...", "protocols": [...], "headers": {...}}'
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

// ws is installed outside the source tree; NODE_CLIENT_HOME says where.
const require = createRequire(path.join(process.env.NODE_CLIENT_HOME, 'package.json'));
const { WebSocket } = require('ws');

const { url, protocols, headers, perMessageDeflate } = JSON.parse(process.argv[2]);
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

const socket = new WebSocket(url, protocols, { headers, perMessageDeflate });
socket.on('open', () => tell({ event: 'open', protocol: socket.protocol, extensions: socket.extensions }));
socket.on('message', (data, isBinary) => tell({ event: 'message', binary: isBinary, text: data.toString() }));
socket.on('close', (code, reason) => {
  tell({ event: 'close', code, reason: reason.toString() });
  process.exit(0);
});
socket.on('error', (error) => tell({ event: 'error', message: error.message }));
socket.on('unexpected-response', (request, response) => {
  let body = '';
  response.on('data', (chunk) => { body += chunk; });
  response.on('end', () => {
    tell({ event: 'refused', status: response.statusCode, body });
    process.exit(0);
  });
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const text = JSON.parse(line);
  if (text === null) socket.close(1000, 'bye');
  else socket.send(text);
});
