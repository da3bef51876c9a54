// Each way in which stap or staprun fails: stap's own reason, the right code, and the command that mends it.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Distribution } from '../../../agent/host/distribution.js';
import { stapFailure } from '../../../agent/stap/stap-failure.js';
import type { Failure } from '../../../proto/failure.js';

const directory = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/stap');
const debian: Distribution = { name: 'Debian', ids: ['debian'], kernelRelease: '6.1.0-56-cloud-amd64' };
const redHat: Distribution = { name: 'Rocky', ids: ['rocky', 'rhel'], kernelRelease: '5.14.0-427.el9.x86_64' };
const suse: Distribution = { name: 'SLES', ids: ['sles', 'suse'], kernelRelease: '5.14.21-default' };

function failureOf(stderr: string, phase: 'compile' | 'run' = 'run', distribution = debian): Failure {
  return stapFailure({ phase, stderr, end: 'exit status 1', distribution }).failure;
}

const sample = (name: string) => readFileSync(join(directory, `${name}.stderr`), 'utf8');

describe('real messages', () => {
  it.each([
    [
      '05_empty',
      'run',
      'bad-request',
      "empty aggregate near identifier 'print' at 05_empty.stp:2:39",
      '@count is above 0',
    ],
    ['09_overload', 'run', 'exhausted', 'exceeded threshold (1000 cycles)', '--overhead'],
    ['20_syntax', 'compile', 'bad-request', "saw: identifier 'exit' at 20_syntax.stp:1:33", 'mend the script'],
    ['22_unknown_fn', 'compile', 'bad-request', 'unresolved function no_such_fn', 'mend the script'],
    ['23_type', 'compile', 'bad-request', 'type mismatch (long)', 'mend the script'],
    [
      '25_missing_debuginfo',
      'compile',
      'tool-missing',
      'missing x86_64 kernel/module debuginfo',
      'apt-get install linux-image-6.1.0-56-cloud-amd64-dbg',
    ],
    ['31_c_not_found', 'run', 'not-found', '/no/such/command: No such file or directory', ''],
    ['33_no_such_file', 'compile', 'not-found', "Input file '/no/such/script.stp' is missing", 'path'],
    ['35_not_root_plain', 'compile', 'permission', 'as a normal user', 'stapusr,stapdev'],
    ['36_not_root_staprun', 'run', 'permission', 'Permission denied', 'as root'],
    ['60_maxaction', 'run', 'exhausted', "MAXACTION exceeded near identifier 'x'", 'shorter'],
    ['61_map_full', 'run', 'exhausted', 'Array overflow, check MAXMAPENTRIES', 'fewer keys'],
    ['67_division', 'run', 'bad-request', "division by 0 near operator '/'", 'mend the script'],
    ['71_warn_and_error', 'run', 'tool-failed', 'the script gives up', ''],
    ['76_already_loaded', 'run', 'conflict', "Couldn't insert module 'f_forever.ko': File exists", 'staprun -d'],
    ['77_disk_full', 'run', 'exhausted', 'No space left on device', 'free disk space'],
    ['77b_o_no_directory', 'run', 'tool-failed', "Couldn't open output file", 'directory'],
    ['78_truncated_module', 'run', 'bad-data', 'Invalid module format', 'exactly the kernel'],
    ['78b_no_module', 'run', 'not-found', 'Unable to canonicalize path', 'compile the module again'],
    [
      '90_no_headers',
      'compile',
      'tool-missing',
      'Checking "/lib/modules/5.10.0-99-amd64/build/.config" failed',
      'apt-get install linux-headers-5.10.0-99-amd64',
    ],
    ['91_no_function', 'compile', 'not-found', 'no match (similar functions: ', 'stap -l'],
    ['91b_no_kprobe', 'compile', 'not-found', 'no match (similar functions: ', 'stap -l'],
    ['92_needs_guru', 'compile', 'refused', 'need stap -g', '--guru'],
    ['93_no_argument', 'compile', 'bad-request', 'command line argument out of range', 'arguments'],
    ['94_no_process', 'compile', 'not-found', 'no match', 'stap -l'],
    ['95_c_error', 'compile', 'tool-failed', "implicit declaration of function 'no_such_c'", 'mend the C code'],
    ['96_disk_full', 'compile', 'exhausted', 'No space left on device', 'free disk space'],
    [
      '97_task_work_cancel',
      'compile',
      'tool-failed',
      'task_work_cancel in the stable kernels',
      'task_work_cancel_func',
    ],
  ] as const)('%s', (name, phase, code, reason, remedy) => {
    const failure = failureOf(sample(name), phase);
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(reason);
    expect(failure.remedy).toContain(remedy);
  });
});

it('every sample that failed has a reason', () => {
  const failed = readdirSync(directory)
    .filter((name) => name.endsWith('.rc') && readFileSync(join(directory, name), 'utf8').trim() !== '0')
    .map((name) => name.replace(/\.rc$/, ''))
    .filter((name) => sample(name).trim() !== '');
  expect(failed.length).toBeGreaterThan(15);
  for (const name of failed) {
    const { message } = failureOf(sample(name));
    expect(message).not.toContain('it gave no reason');
    expect(message).not.toMatch(/Tip:|Pass \d: \w+ failed|Number of errors/);
    expect(message.length).toBeLessThan(1100);
  }
});

describe('words of staprun and the kernel that the samples do not have', () => {
  const insert = (why: string) => `ERROR: Couldn't insert module 'x.ko': ${why}\n`;
  it.each([
    [insert('Key was rejected by service'), 'permission', 'mokutil'],
    [insert('Required key not available'), 'permission', 'mokutil'],
    [insert('Operation not permitted'), 'permission', 'CAP_SYS_MODULE'],
    [insert('Unknown symbol in module'), 'bad-data', 'dmesg'],
    [insert('Cannot allocate memory'), 'exhausted', 'memory'],
    [
      'ERROR: Skipped too many probes, check MAXSKIPPED or try again with stap -t for more details.\n',
      'exhausted',
      '--overhead',
    ],
    ['ERROR: The effective user ID of staprun must be set to the root user.\n', 'permission', 'as root'],
    ['', 'tool-failed', ''],
  ])('%s', (stderr, code, remedy) => {
    const failure = failureOf(stderr);
    expect(failure.code).toBe(code);
    expect(failure.remedy).toContain(remedy);
  });
});

it('the remedy is that of the distribution', () => {
  const headers =
    'Checking "/lib/modules/5.14.0-1.x86_64/build/.config" failed with error: No such file or directory\n';
  expect(failureOf(headers, 'compile', redHat).remedy).toBe('dnf install kernel-devel-5.14.0-1.x86_64');
  expect(failureOf(headers, 'compile', suse).remedy).toMatch(/^zypper install kernel-\S*devel/);
  const debuginfo = 'semantic error: missing x86_64 kernel/module debuginfo\n';
  expect(failureOf(debuginfo, 'compile', redHat).remedy).toContain('debuginfo-install kernel-5.14.0-427.el9.x86_64');
});

it('endless words are cut', () => {
  const { message } = failureOf('ERROR: something is wrong here\n'.repeat(10) + 'ERROR: x'.repeat(1_000_000));
  expect(message.length).toBeLessThan(1000);
});

it.each([' ', '\n', '[man ', "ERROR: Couldn't insert module ", ' at /x'])('endless %j take no endless time', (word) => {
  const stderr = word.repeat(Math.floor(2 ** 18 / word.length));
  expect(failureOf(stderr).message.length).toBeLessThan(1000);
});
