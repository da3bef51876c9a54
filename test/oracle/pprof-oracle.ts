// Google's own pprof package as a judge of our files (Debian: golang-go, golang-github-google-pprof-dev).
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Without modules: the package and nothing else comes from Debian's source tree. @param folder where the program goes; gives its path */
export async function buildPprofOracle(folder: string): Promise<string> {
  const oracle = join(folder, 'pprof-oracle');
  const source = fileURLToPath(new URL('pprof/main.go', import.meta.url));
  const env = {
    ...process.env,
    GO111MODULE: 'off',
    GOPATH: '/usr/share/gocode',
    GOCACHE: join(folder, 'cache'),
    GOFLAGS: '',
  };
  await run('go', ['build', '-o', oracle, source], { env });
  return oracle;
}
