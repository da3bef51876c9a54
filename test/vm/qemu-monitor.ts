// QEMU's monitor (QMP on a unix socket), as far as the test VM needs it.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const ANSWER_TIMEOUT = 30_000;

/** Answer of one command for people (`info usernet`, ...). @param socket path of the socket that QEMU listens on */
export async function askMonitor(socket: string, command: string): Promise<string> {
  const connection = connect(socket);
  connection.setTimeout(ANSWER_TIMEOUT, () => connection.destroy(new Error(`no answer to ${JSON.stringify(command)}`)));
  const broken = new Promise<never>((_, reject) => connection.on('error', reject));
  // It is raced against below; alone it is nobody's business.
  broken.catch(() => undefined);
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await Promise.race([lines.next(), broken]);
    if (done === true) throw new Error(`QEMU closed its monitor on ${JSON.stringify(command)}`);
    return JSON.parse(value) as { return?: unknown; error?: { desc: string } };
  };
  const ask = async (execute: string, args: object) => {
    connection.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    // Events come in between.
    for (;;) {
      const answer = await next();
      if (answer.error !== undefined) throw new Error(`QEMU refused ${execute}: ${answer.error.desc}`);
      if (answer.return !== undefined) return answer.return;
    }
  };
  try {
    await next();
    await ask('qmp_capabilities', {});
    return String(await ask('human-monitor-command', { 'command-line': command }));
  } finally {
    connection.destroy();
  }
}

/**
 * Ports of this machine that lead into the VM, by port in the VM, from the answer to `info usernet`, whose rows look like
 * `  TCP[HOST_FORWARD]  12       127.0.0.1 41837       10.0.2.15    22     0     0`.
 */
export function forwardedPorts(usernet: string): Map<number, number> {
  const rows = usernet.matchAll(/^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)\s/gm);
  return new Map([...rows].map(([, host, guest]) => [Number(guest), Number(host)]));
}
