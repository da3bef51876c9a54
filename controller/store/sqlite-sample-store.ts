// The SampleStore in SQLite: profiles as rows of compressed chunks, series as one blob each.
import { fail } from '../../proto/failure.js';
import type { ProfileChunk } from '../../proto/profile-codec.js';
import type { ResultKey, SampleStore } from './sample-store.js';
import { decodeSeries, encodeSeries } from './series-columns.js';
import type { SqliteDatabase } from './sqlite-database.js';
import type { ProfileChunkTable } from './tables.js';

/** The store does not own the database: whoever opened it closes it. */
export function sqliteSampleStore({ db, guard, path }: SqliteDatabase): SampleStore {
  return {
    put: (key, result) =>
      guard('storing a result', async () => {
        const job_id = key.jobId;
        const host = hostColumn(key);
        const series = result.series === undefined ? undefined : encodeSeries(result.series);
        await db.transaction().execute(async (change) => {
          await change.deleteFrom('profile_chunks').where('job_id', '=', job_id).where('host', '=', host).execute();
          await change.deleteFrom('counter_series').where('job_id', '=', job_id).where('host', '=', host).execute();
          for (const [position, chunk] of result.chunks.entries()) {
            await change
              .insertInto('profile_chunks')
              .values({ job_id, host, position, ...toColumns(chunk) })
              .execute();
          }
          if (series !== undefined) {
            await change.insertInto('counter_series').values({ job_id, host, data: series }).execute();
          }
        });
      }),

    async *chunks(key) {
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
        yield toChunk(row, path);
      }
    },

    series: (key) =>
      guard('reading counters', async () => {
        const row = await db
          .selectFrom('counter_series')
          .select('data')
          .where('job_id', '=', key.jobId)
          .where('host', '=', hostColumn(key))
          .executeTakeFirst();
        return row === undefined ? undefined : decodeSeries(row.data, `${path}: counters of ${key.jobId}`);
      }),

    deleteJob: (jobId) =>
      guard('deleting results', async () => {
        await db.transaction().execute(async (change) => {
          await change.deleteFrom('profile_chunks').where('job_id', '=', jobId).execute();
          await change.deleteFrom('counter_series').where('job_id', '=', jobId).execute();
        });
      }),
  };
}

/** Host names are never empty. */
function hostColumn(key: ResultKey): string {
  return key.host ?? '';
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

function toChunk(row: ProfileChunkTable, path: string): ProfileChunk {
  const { name, encoding } = row;
  if (encoding !== 'brotli' && encoding !== 'identity') {
    throw fail('bad-data', `${path}: a chunk of ${row.job_id} has the unknown encoding '${encoding}'`);
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
