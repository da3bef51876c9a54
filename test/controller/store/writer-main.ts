// One of several processes that write to one database: `writer-main FILE NAME JOBS` makes that many jobs with results and ends them.
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { openSqlite } from '../../../controller/store/sqlite-database.js';

const [file, name, count] = process.argv.slice(2);
const database = openSqlite(file, Date.now());
const control = sqlControlStore(database);
const samples = sqlSampleStore(database);
const request = {
  spec: { kind: 'file', path: '/x', format: 'detect', detail: { split: 'comm', keepTimestamps: false, lines: false } },
  ...{ hosts: [], selectorText: '', requester: '', maxParallel: 1, grace: 1, note: '' },
} as const;
for (let i = 0; i < Number(count); i++) {
  const id = `${name}${i}`;
  await control.createJob(
    {
      id,
      request,
      state: 'running',
      created: i,
      started: i,
      ended: 0,
      owner: name,
      ownerSilence: 0,
      isCancelRequested: false,
    },
    [],
  );
  const data = new Uint8Array(20_000).fill(i);
  const chunk = {
    name: '',
    index: 0,
    isLast: true,
    encoding: 'identity',
    crc32: 0,
    rawLength: data.length,
    data,
  } as const;
  await samples.put({ jobId: id, host: 'h' }, { chunks: [chunk], series: undefined, histograms: undefined, text: [] });
  if (!(await control.finishJob(id, name, 'succeeded', i))) throw new Error(`${id} is not mine`);
}
await database.close();
