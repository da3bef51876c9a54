// The SampleStore in SQLite: profiles as rows of compressed chunks, all else as one blob each.
import { sql, type Transaction } from 'kysely';
import type { Profile } from '../../profile/profile.js';
import { fail, toFailure } from '../../proto/failure.js';
import { type DecodeLimits, decodeProfile, type ProfileChunk } from '../../proto/profile-codec.js';
import { TOTALS_OF, type TotalsOf, TotalsReader } from '../views/profile-totals.js';
import { encodeTotals, totalsOfProfile } from './capture-totals.js';
import { decodeHistograms, encodeHistograms } from './histogram-columns.js';
import { checkOwner } from './job-fence.js';
import type { Result, ResultKey, SampleStore } from './sample-store.js';
import { decodeSeries, encodeSeries } from './series-columns.js';
import type { SqlDatabase } from './sql-database.js';
import type { ProfileChunkTable, Tables } from './tables.js';
import { decodeText, encodeText } from './text-columns.js';
import { topOfProfiles } from './top-of-profiles.js';
import { TotalNames } from './total-names.js';

const blobTables = ['counter_series', 'histogram_series', 'text_lines'] as const;
/** Chunks of one statement: some megabytes. */
const CHUNKS_AT_ONCE = 8;

type BlobTableName = (typeof blobTables)[number];

/** Larger profiles are not decoded to store them: questions read them themselves. */
const TOTALS_LIMITS: DecodeLimits = { maxRawBytes: 256 * 1024 ** 2, maxRows: 32 * 1024 ** 2 };

/** The store does not own the database: whoever opened it closes it. */
export function sqlSampleStore(database: SqlDatabase): SampleStore {
  const { db, guard, where, engine, clock } = database;
  const totalNames = new TotalNames(database);
  const blob = (table: BlobTableName, key: ResultKey, what: string): Promise<Uint8Array | undefined> =>
    guard(`reading ${what}`, async () => {
      const row = await db
        .selectFrom(table)
        .select('data')
        .where('job_id', '=', key.jobId)
        .where('host', '=', hostColumn(key))
        .executeTakeFirst();
      return row?.data;
    });
  async function* chunks(key: ResultKey): AsyncGenerator<ProfileChunk> {
    // One query per chunk: a cursor would hold the connection while the reader does something else.
    for (let position = 0; ; position++) {
      const row = await guard('reading a profile', () =>
        db
          .selectFrom('profile_chunks')
          .selectAll()
          .where('job_id', '=', key.jobId)
          .where('host', '=', hostColumn(key))
          .where('position', '=', position)
          .executeTakeFirst(),
      );
      if (row === undefined) return;
      yield toChunk(row, where);
    }
  }

  const storedTotals = (keys: readonly ResultKey[], of: TotalsOf): Promise<readonly (Uint8Array | undefined)[]> =>
    guard('reading totals', async () => {
      const wanted = sql.join(keys.map((key) => sql`(${key.jobId}, ${hostColumn(key)})`));
      const rows = await db
        .selectFrom('capture_totals')
        .select(['job_id', 'host', 'data'])
        .where('rows_of', '=', of)
        .where(sql<boolean>`(job_id, host) in (values ${wanted})`)
        .execute();
      const found = new Map(rows.map(({ job_id, host, data }) => [JSON.stringify([job_id, host]), data]));
      return keys.map((key) => found.get(JSON.stringify([key.jobId, hostColumn(key)])));
    });

  const names = (numbers: readonly number[]) => guard('reading names of totals', () => totalNames.namesOf(numbers));

  return {
    put: (key, result, owner) =>
      guard('storing a result', async () => {
        const job_id = key.jobId;
        const host = hostColumn(key);
        const { series, histograms, text } = result;
        const totals = key.host === undefined ? [] : await totalsOf(result, totalNames);
        const blobs: Record<BlobTableName, Uint8Array | undefined> = {
          counter_series: series === undefined ? undefined : encodeSeries(series),
          histogram_series: histograms === undefined ? undefined : encodeHistograms(histograms),
          text_lines: text.length === 0 ? undefined : encodeText(text),
        };
        await db.transaction().execute(async (change) => {
          await clear(change, job_id, host);
          for (let at = 0; at < result.chunks.length; at += CHUNKS_AT_ONCE) {
            const chunks = result.chunks.slice(at, at + CHUNKS_AT_ONCE);
            const rows = chunks.map((chunk, i) => ({ job_id, host, position: at + i, ...toColumns(chunk) }));
            await change.insertInto('profile_chunks').values(rows).execute();
          }
          for (const table of blobTables) {
            const data = blobs[table];
            if (data !== undefined) await change.insertInto(table).values({ job_id, host, data }).execute();
          }
          if (totals.length > 0) {
            const rows = totals.map(({ of, data }) => ({ job_id, host, rows_of: of, data, stored: clock }));
            await change.insertInto('capture_totals').values(rows).execute();
          }
          if (owner !== undefined) await checkOwner(change, engine, job_id, owner);
        });
      }),

    chunks,

    async series(key) {
      const data = await blob('counter_series', key, 'counters');
      return data === undefined ? undefined : decodeSeries(data, `${where}: counters of ${key.jobId}`);
    },
    async histograms(key) {
      const data = await blob('histogram_series', key, 'histograms');
      return data === undefined ? undefined : decodeHistograms(data, `${where}: histograms of ${key.jobId}`);
    },
    async text(key) {
      const data = await blob('text_lines', key, 'text');
      return data === undefined ? [] : decodeText(data, `${where}: text of ${key.jobId}`);
    },

    topFunctions: (query, options) => topOfProfiles({ chunks, totals: storedTotals, names }, query, options),

    bytesOf: (jobId) =>
      guard('measuring results', async () => {
        let bytes = 0;
        for (const table of ['profile_chunks', 'capture_totals', ...blobTables] as const) {
          const row = await db
            .selectFrom(table)
            .select(sql<number | null>`sum(length(data))`.as('bytes'))
            .where('job_id', '=', jobId)
            .executeTakeFirst();
          bytes += Number(row?.bytes ?? 0);
        }
        return bytes;
      }),

    deleteJob: (jobId) =>
      guard('deleting results', async () => {
        await db.transaction().execute(async (change) => {
          await change.deleteFrom('profile_chunks').where('job_id', '=', jobId).execute();
          await change.deleteFrom('capture_totals').where('job_id', '=', jobId).execute();
          for (const table of blobTables) await change.deleteFrom(table).where('job_id', '=', jobId).execute();
        });
        await totalNames.sweep();
      }),
  };
}

/** Deletes what there is of one result: mostly nothing, so it is looked for in one statement, after a first write (see SqlDatabase.db). */
async function clear(change: Transaction<Tables>, jobId: string, host: string): Promise<void> {
  await change.deleteFrom('profile_chunks').where('job_id', '=', jobId).where('host', '=', host).execute();
  const tables = [...blobTables, 'capture_totals'] as const;
  const anyIn = tables.map(
    (table) => sql`select 1 from ${sql.table(table)} where job_id = ${jobId} and host = ${host}`,
  );
  const { rows } = await sql`${sql.join(anyIn, sql` union all `)} limit 1`.execute(change);
  if (rows.length === 0) return;
  for (const table of tables)
    await change.deleteFrom(table).where('job_id', '=', jobId).where('host', '=', host).execute();
}

/** Host names are never empty. */
function hostColumn(key: ResultKey): string {
  return key.host ?? '';
}

type StoredTotals = { readonly of: TotalsOf; readonly data: Uint8Array };

async function totalsOf(result: Result, names: TotalNames): Promise<readonly StoredTotals[]> {
  const profile = profileOf(result);
  if (profile === undefined) return [];
  const reader = new TotalsReader(profile, names.remembered());
  const found: StoredTotals[] = [];
  for (const of of TOTALS_OF) {
    const data = await encodeTotals(totalsOfProfile(profile, of, reader), (columns) => names.numbersOf(columns));
    if (data !== undefined) found.push({ of, data: Buffer.from(data) });
  }
  return found;
}

/** None where there is none, nor of one that is damaged or too large: it is stored all the same. */
function profileOf({ chunks, profile }: Result): Profile | undefined {
  if (chunks.length === 0) return undefined;
  if (profile !== undefined) return profile;
  try {
    return decodeProfile(chunks, TOTALS_LIMITS);
  } catch (error) {
    const { code } = toFailure(error);
    if (code !== 'bad-data' && code !== 'exhausted') throw error;
    return undefined;
  }
}

function toColumns(chunk: ProfileChunk): Omit<ProfileChunkTable, 'job_id' | 'host' | 'position'> {
  return {
    name: chunk.name,
    is_last: chunk.isLast ? 1 : 0,
    encoding: chunk.encoding,
    crc32: chunk.crc32,
    raw_length: chunk.rawLength,
    data: Buffer.from(chunk.data.buffer, chunk.data.byteOffset, chunk.data.byteLength),
  };
}

function toChunk(row: ProfileChunkTable, where: string): ProfileChunk {
  const { name, encoding } = row;
  if (encoding !== 'brotli' && encoding !== 'identity') {
    throw fail('bad-data', `${where}: a chunk of ${row.job_id} has the unknown encoding '${encoding}'`);
  }
  return {
    name,
    index: row.position,
    isLast: row.is_last === 1,
    encoding,
    crc32: row.crc32,
    rawLength: row.raw_length,
    data: row.data,
  };
}
