// The programs of fake-stap.ts. /proc/modules of the made-up root is the kernel: staprun adds its module there and takes it away.
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';

/** @param {{ name: string, root: string }} program */
export async function run({ name, root }) {
  const args = process.argv.slice(2);
  if (name === 'stap') return stap(args, root);
  if (name === 'staprun') return staprun(args, root);
}

function stap(args, root) {
  if (args[0] === '-V') {
    console.log('Systemtap translator/driver (version 4.8/0.188, Debian version 4.8-2)');
    return;
  }
  appendFileSync(join(root, 'compiled'), `${JSON.stringify(args)}\n`);
  const file = args[args.indexOf('--') + 1];
  const text = readFileSync(file, 'utf8');
  const failure = actionsOf(text).find((action) => action.do === 'fail');
  if (failure !== undefined) {
    process.stderr.write(readFileSync(failure.file));
    process.exitCode = 1;
    return;
  }
  if (actionsOf(text).some((action) => action.do === 'compile-for-ever')) {
    setInterval(() => undefined, 1000);
    return;
  }
  const moduleName = args[args.indexOf('-m') + 1];
  writeFileSync(`${moduleName}.ko`, `${text}`);
}

async function staprun(args, root) {
  if (args[0] === '-d') return unload(args[1], root);
  const takesValue = new Set(['-x', '-c', '-o']);
  let at = 0;
  let output = 1;
  while (args[at]?.startsWith('-')) at += takesValue.has(args[at]) ? 2 : 1;
  const outputAt = args.indexOf('-o');
  if (outputAt >= 0) output = (await import('node:fs')).openSync(args[outputAt + 1].replaceAll('%%', '%'), 'w');
  const file = args[at];
  const old = basename(file, '.ko');
  const loaded = `${old.slice(0, old.length - String(process.pid).length - 1)}_${process.pid}`;
  mkdirSync(join(root, 'proc', String(process.pid)), { recursive: true });
  writeFileSync(join(root, 'proc', String(process.pid), 'comm'), 'stapio\n');
  appendFileSync(join(root, 'proc/modules'), `${loaded} 1449984 2 - Live 0x0000000000000000\n`);
  let isInterrupted = false;
  let wake = () => undefined;
  process.on('SIGINT', () => {
    isInterrupted = true;
    wake();
  });
  const print = (bytes, to = output) => {
    for (let from = 0; from < bytes.length; ) {
      try {
        from += writeSync(to, bytes, from);
      } catch (error) {
        if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return;
        if (error.code !== 'EAGAIN') throw error;
      }
    }
  };
  let code = 0;
  for (const action of actionsOf(readFileSync(file, 'utf8'))) {
    switch (action.do) {
      case 'print':
        print(readFileSync(action.file), action.to === 'stderr' ? 2 : output);
        break;
      case 'arguments':
        print(Buffer.from(`${JSON.stringify(args)}\n`));
        break;
      case 'flood': {
        const block = Buffer.from('the quick brown fox jumps over the lazy dog 0123456789\n'.repeat(1000));
        for (let lines = 0; lines < action.lines; lines += 1000) print(block);
        break;
      }
      case 'wait': {
        const timer = setInterval(() => undefined, 1000);
        while (action.isDeaf === true || !isInterrupted)
          await new Promise((resolve) => {
            wake = resolve;
          });
        clearInterval(timer);
        break;
      }
      case 'command-prints':
        print(Buffer.from('from the command\n'), 1);
        break;
      case 'die':
        rmSync(join(root, 'proc', String(process.pid)), { recursive: true });
        process.kill(process.pid, 'SIGKILL');
        await new Promise(() => undefined);
        break;
      case 'exit':
        code = action.code;
        break;
    }
  }
  unload(loaded, root);
  rmSync(join(root, 'proc', String(process.pid)), { recursive: true });
  process.exit(code);
}

function unload(name, root) {
  const path = join(root, 'proc/modules');
  const lines = readFileSync(path, 'utf8').split('\n');
  const left = lines.filter((line) => !line.startsWith(`${name} `));
  if (left.length === lines.length) {
    process.stderr.write(`ERROR: '${name}' is not a zombie systemtap module.\n`);
    process.exitCode = 1;
    return;
  }
  writeFileSync(path, left.join('\n'));
}

function actionsOf(text) {
  return [...text.matchAll(/^.*?\/\/ fake: (\{.*\})$/gm)].map((match) => JSON.parse(match[1]));
}
