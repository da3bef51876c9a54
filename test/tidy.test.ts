// Is the house clean? Paths that documents name exist, files stay short, names say something, dependencies are pinned.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const code = files.filter((path) => /\.(ts|mjs|cjs)$/.test(path));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** `code spans` and link targets of a document that look like paths of this tree. */
function pathsNamedIn(document: string): string[] {
  const text = read(document).replaceAll(/```[\s\S]*?```/g, '');
  const spans = [...text.matchAll(/`([^`\s]+)`/g), ...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, span]) => span);
  const top = /^(\.\/)?(profile|proto|agent|controller|test|bench|docs|bin|demo|docker|\.ci)\/[\w./-]*$|^[A-Z]+\.md$/;
  return spans.filter((span) => top.test(span));
}

describe('the tree', () => {
  it.each(files.filter((path) => path.endsWith('.md')))('%s names only paths that exist', (document) => {
    const missing = pathsNamedIn(document).filter(
      (path) => !existsSync(join(root, path)) && !existsSync(join(root, dirname(document), path)),
    );
    expect(missing).toEqual([]);
  });

  it('has no file above 500 lines', () => {
    const written = files.filter((path) => /\.(ts|mjs|cjs|js|proto|pl|c|cc|java|go|md)$/.test(path));
    expect(written.filter((path) => read(path).split('\n').length > 501)).toEqual([]);
  });

  it('says in the first line of each source file what it is for', () => {
    const silent = code.filter((path) => !/^(#!.*\n)?(\/\/|\/\*)/.test(read(path)));
    expect(silent).toEqual([]);
  });

  it('has no file whose name says nothing', () => {
    expect(files.filter((path) => /(^|\/)(utils?|helpers?|common|misc|index)(\.|\/)/.test(path))).toEqual([]);
  });

  it('pins every dependency to one version', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json'));
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)),
    );
    expect(loose).toEqual([]);
  });

  it('has no deadline that a garbage collection ends (proto/timeout-signal.ts)', () => {
    const made = code.filter((path) => /^(agent|controller|proto)\//.test(path) && path !== 'proto/timeout-signal.ts');
    expect(made.filter((path) => read(path).includes('AbortSignal.timeout('))).toEqual([]);
  });

  it('never gives a shell a command', () => {
    const guarded = code.filter((path) => /^(agent|controller|proto|bin|demo)\//.test(path));
    expect(guarded.filter((path) => usesShell(read(path)))).toEqual([]);
  });

  it.each([
    "import { exec } from 'node:child_process';",
    "import { spawn,\n  execSync as run } from 'child_process';",
    "import * as children from 'node:child_process';",
    "const { exec } = require('node:child_process');",
    "spawn('ls', { shell: true })",
    "spawn('sh', ['-c', line])",
    "execFile('/bin/bash', [\n  '-ec', line])",
  ])('would see a shell in %j', (source) => {
    expect(usesShell(source)).toBe(true);
  });

  it('takes no other exec for a shell', () => {
    expect(usesShell("import { execFile } from 'node:child_process'; /x/.exec(line); execFile('perf', ['-c'])")).toBe(
      false,
    );
  });
});

/** Functions that hand their text to a shell are imported by name or not at all. */
function usesShell(source: string): boolean {
  const imported = /import\s*\{[^}]*\bexec(Sync)?\b[^}]*\}\s*from\s*'(node:)?child_process'/;
  const whole = /import\s+(\*\s+as\s+)?\w+\s+from\s*'(node:)?child_process'|require\('(node:)?child_process'\)/;
  return [imported, whole, /\bshell:\s*(true|')/, /'(\/[\w/]*\/)?(ba|da|z|k)?sh',\s*\[\s*'-\w*c'/].some((sign) =>
    sign.test(source),
  );
}
