// What a manifest says: which files there are, what each was made of, and all that is known of the jobs. docs/pull.md describes it.
import { z } from 'zod';
import { type FailureError, fail } from '../../proto/failure.js';
import { isInnerPath } from './file-names.js';

export const MANIFEST = 'manifest.json';
export const SIGNATURE = 'manifest.sig';
export const CERTIFICATE = 'manifest.crt';
export const CHECKSUMS = 'SHA256SUMS';

/** What can be pulled: formats of exports, what the agents keep (`raw`), and what is known of the job (`job`). */
export const PULL_FORMATS = [
  'job',
  'report',
  'pprof',
  'json',
  'folded',
  'svg',
  'perf-script',
  'csv',
  'openmetrics',
  'text',
  'raw',
] as const;
export type PullFormat = (typeof PULL_FORMATS)[number];

export function isPullFormat(text: string): text is PullFormat {
  return PULL_FORMATS.some((format) => format === text);
}

const time = z.number().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const innerPath = z.string().max(1000).refine(isInnerPath, 'is no path that a pull makes');
const jobId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
const failure = z.strictObject({ code: z.string(), message: z.string(), remedy: z.string() });

const fileSchema = z.strictObject({
  path: innerPath,
  size: z.number().int().nonnegative(),
  sha256,
  mediaType: z.string(),
  job: jobId,
  /** Null: of the whole job. */
  host: z.string().nullable(),
  format: z.string().refine(isPullFormat),
});

const partSchema = z.strictObject({
  host: z.string().nullable(),
  format: z.string().refine(isPullFormat),
  /** Of an artifact; '' otherwise. */
  name: z.string(),
  /** Of what it was made: as long as this is the same, so are the files. */
  recipe: sha256,
  files: z.array(innerPath),
  /** Why there are none. */
  failure: failure.exactOptional(),
});

const missingSchema = z.strictObject({
  /** Null: of the whole job. */
  host: z.string().nullable(),
  what: z.string(),
  code: z.string(),
  message: z.string(),
  remedy: z.string(),
});

/** What a host run holds besides comes along as it is. */
const hostSchema = z.looseObject({ host: z.string(), directory: innerPath, state: z.string() });

const jobSchema = z.strictObject({
  id: jobId,
  directory: innerPath,
  state: z.string(),
  created: time,
  ended: time,
  /** As asked for, without the list of hosts. */
  request: z.looseObject({}),
  isComplete: z.boolean(),
  missing: z.array(missingSchema),
  pulled: z.strictObject({
    time,
    by: z.string(),
    /** `this machine`, or the address of a server and who the puller is there. */
    from: z.string(),
    version: z.string(),
  }),
  hosts: z.array(hostSchema),
  parts: z.array(partSchema),
});

const manifestSchema = z.strictObject({
  format: z.literal('perftrawl-pull'),
  version: z.literal(1),
  program: z.string(),
  written: time,
  isComplete: z.boolean(),
  /** Of the certificate that the manifest is signed with. */
  signer: z.strictObject({ name: z.string(), certificateSha256: sha256, time }).exactOptional(),
  jobs: z.array(jobSchema),
  files: z.array(fileSchema),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestJob = z.infer<typeof jobSchema>;
export type ManifestPart = z.infer<typeof partSchema>;
export type ManifestFile = z.infer<typeof fileSchema>;
export type Missing = z.infer<typeof missingSchema>;

/** Of which a fleet's manifest has a fraction. */
export const mostManifestBytes = 256 * 1024 ** 2;

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 1)}\n`;
}

/** @throws FailureError 'bad-data' that says where it is no manifest */
export function parseManifest(text: string, where: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(where, 'is no JSON', cause);
  }
  const isNewer = z.looseObject({ format: z.literal('perftrawl-pull'), version: z.number().min(2) }).safeParse(value);
  if (isNewer.success) throw bad(where, 'is of a newer perftrawl', undefined, 'use that version');
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw bad(where, `is no manifest of a pull: ${issue.path.join('.')} ${issue.message}`, parsed.error);
  }
  const paths = parsed.data.files.map((file) => file.path.toLowerCase());
  if (new Set(paths).size < paths.length) throw bad(where, 'names a file twice');
  return parsed.data;
}

/** @throws ZodError */
export function parsePart(part: unknown, files: readonly unknown[]): { part: ManifestPart; files: ManifestFile[] } {
  return { part: partSchema.parse(part), files: files.map((file) => fileSchema.parse(file)) };
}

/** As `sha256sum -c` reads it; paths have neither backslashes nor line feeds. */
export function checksumText(files: readonly Pick<ManifestFile, 'path' | 'sha256'>[]): string {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  return sorted.map((file) => `${file.sha256}  ${file.path}\n`).join('');
}

function bad(where: string, how: string, cause?: unknown, remedy?: string): FailureError {
  const mend = remedy ?? 'pull into another directory, or with --force to have everything fetched anew';
  return fail('bad-data', `${where} ${how}`, mend, cause);
}
