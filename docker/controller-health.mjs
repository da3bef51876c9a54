// Healthy while the server of this container answers, over TLS and with a certificate of the fleet's CA.
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';

const ca = readFileSync(join(process.env.PERFTRAWL_CONFIG, 'ca', 'ca.crt'));
const request = get('https://localhost:7450/healthz', { ca, timeout: 4000 }, (response) => {
  response.resume();
  process.stdout.write(`/healthz answered ${response.statusCode}\n`);
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.on('timeout', () => request.destroy(new Error('no answer for 4 s')));
request.on('error', (error) => {
  process.stdout.write(`/healthz: ${error.message}\n`);
  process.exitCode = 1;
});
