// Healthy while this host has a connection to a controller: an established one to port 7452 in the tables of the kernel.
import { readFileSync } from 'node:fs';

const PORT = (7452).toString(16).toUpperCase().padStart(4, '0');
const ESTABLISHED = '01';

/** `sl local_address rem_address st …`, addresses as HEX:PORT; see proc(5). */
const connections = ['/proc/self/net/tcp', '/proc/self/net/tcp6']
  .flatMap((table) => readFileSync(table, 'utf8').split('\n').slice(1))
  .map((line) => line.trim().split(/\s+/))
  .filter(([, , remote = '', state]) => remote.endsWith(`:${PORT}`) && state === ESTABLISHED);

process.stdout.write(`connections to controllers: ${connections.length}\n`);
process.exitCode = connections.length > 0 ? 0 : 1;
