// 10 million samples in 1,000 captures on each engine: storing them, and `top` over all, against plain SQL over a row per capture and stack.
import { mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { build } from 'esbuild';
import pg from 'pg';
import { openStore } from '../dist/controller/store/open-store.js';
import { sqlSampleStore } from '../dist/controller/store/sql-sample-store.js';
import { storeInfo } from '../dist/controller/store/store-info.js';
import { decodeProfile, encodeProfile } from '../dist/proto/profile-codec.js';
import { interleaved, median } from './measure.mjs';
import { mebibytes, timesLess } from './report.mjs';
import { drawCounts, drawStacks, functionName, profileOf } from './store-captures.mjs';

const STACKS = 50_000;
const SAMPLES = 10_000;
/** Results that come at the same moment, as of the hosts of a job. */
const AT_ONCE = 4;
const LIMIT = 25;
/** Seconds that 10 million samples may take: of a compressed column per capture in SQLite, of a row per capture and stack in PostgreSQL. */
const DEMANDS = { SQLite: { insert: 9.2, top: 0.98 }, PostgreSQL: { insert: 10.8, top: 1.23 } };
const tables = `
  create table samples (capture int not null, stack int not null, count int not null);
  create table frames (stack int not null, function int not null, self int not null)`;
/** What each function has: self and total, once per stack. */
const topSql = `
  select function, sum(count * self) as self, sum(count) as total
  from (select stack, sum(count) as count from samples group by stack) as s join frames using (stack)
  group by function order by self desc, total desc limit ${LIMIT}`;

/** @param context see run.mjs */
export async function storeRows({ directory, isQuick, log }, given = {}) {
  const captures = Number(given.captures ?? (isQuick ? 100 : 1000));
  const stacks = drawStacks(STACKS);
  const size = `${(captures * SAMPLES) / 1e6} M samples, ${captures} captures`;
  const postgres = await startPostgres();
  const load = [loadavg()[0]];
  const rows = [];
  const encoding = [];
  const seen = new Set();
  let rowCount = 0;
  try {
    const sides = {
      SQLite: { store: `sqlite:${join(directory, 'store.db')}`, plain: plainSqlite(join(directory, 'plain.db')) },
      PostgreSQL: { store: await postgres.newStore(), plain: await plainPostgres(postgres.url()) },
    };
    log(`storing ${size} in SQLite and PostgreSQL`);
    for (const side of Object.values(sides)) {
      side.database = await openStore({
        ...{ store: side.store, env: {}, homeDirectory: directory, userName: 'bench' },
        ...{ clock: { now: () => Date.now() }, random: Math.random },
      });
      side.samples = sqlSampleStore(side.database);
      side.ours = [];
      side.others = [];
      await side.plain.frames(stacks);
    }
    for (let first = 0; first < captures; first += AT_ONCE) {
      const drawn = [];
      for (let capture = first; capture < Math.min(first + AT_ONCE, captures); capture++) {
        const counts = drawCounts(capture, STACKS, SAMPLES);
        for (const stack of counts.keys()) seen.add(stack);
        rowCount += counts.size;
        const profile = profileOf(stacks, counts);
        const chunks = [];
        encoding.push(await clocked(() => chunks.push(...encodeProfile(profile))));
        // As a controller has it, of what a host has sent.
        const result = { chunks, profile: decodeProfile(chunks), series: undefined, histograms: undefined, text: [] };
        drawn.push({ capture, counts, result });
      }
      for (const { samples, plain, ours, others } of Object.values(sides)) {
        const put = ({ capture, result }) => samples.put({ jobId: `job${capture}`, host: 'host' }, result);
        ours.push(await clocked(() => Promise.all(drawn.map(put))));
        others.push(
          await clocked(async () => {
            for (const { capture, counts } of drawn) await plain.insert(capture, counts);
          }),
        );
      }
      if ((first + AT_ONCE) % 100 === 0) log(`${first + AT_ONCE} captures are stored`);
    }
    load.push(loadavg()[0]);
    for (const [engine, { database, samples, plain, ours, others }] of Object.entries(sides)) {
      const bytes = { ours: (await storeInfo(database)).bytes, plain: await plain.bytes() };
      const query = {
        captures: Array.from({ length: captures }, (_, i) => ({ jobId: `job${i}`, host: 'host', group: '' })),
        ...{ event: undefined, of: 'functions', sortBy: 'self', eachHostEqual: false, limit: LIMIT },
      };
      const { signal } = new AbortController();
      const answers = {};
      const top = await interleaved(3, {
        ours: () =>
          clocked(async () => {
            answers.ours = await samples.topFunctions(query, { signal });
          }),
        plain: () =>
          clocked(async () => {
            answers.plain = await plain.top();
          }),
      });
      mustBeEqual(answers.ours.groups[0].rows, answers.plain);
      load.push(loadavg()[0]);
      const sum = (usages) => usages.reduce((total, usage) => total + usage.wall, 0);
      const middle = (usages) => median(usages.map((usage) => usage.wall));
      const row = (what, own, peer, demand) => ({
        ...timesLess(`time, ${what} ${engine}, against SQL rows`, own, peer, {
          ...{ demand: 1, aim: 1, sizes: size },
        }),
        ...{ demand: `<= ${demand} s`, aim: '-', isMet: captures === 1000 ? own <= demand : undefined },
      });
      rows.push(
        row('insert into', sum(ours), sum(others), DEMANDS[engine].insert),
        row('top over all in', middle(top.ours), middle(top.plain), DEMANDS[engine].top),
        {
          ...{ what: `on disk, ${engine}, against SQL rows (${size})`, ours: mebibytes(bytes.ours) },
          ...{ peer: mebibytes(bytes.plain), result: `${(bytes.ours / bytes.plain).toFixed(2)}x` },
          ...{ demand: '-', aim: '-', isMet: undefined },
        },
      );
      await database.close();
      await plain.close();
    }
  } finally {
    await postgres.close();
  }
  return {
    rows,
    notes: [
      `stores: ${size}, ${seen.size} different stacks in all, ${Math.round(rowCount / captures)} in a capture; insert is one ` +
        `transaction a capture, with its totals of functions, processes and objects, ${AT_ONCE} at a time as of the hosts of a job, those of ` +
        'the peer one after the other, one run; that hosts encode the profiles is not in ' +
        `it (${(1000 * median(encoding.map(({ cpu }) => cpu))).toFixed(1)} ms of CPU each); top is the median of 3 runs, in turns. ` +
        'The demands are seconds that were measured elsewhere, SQLite with a compressed column per capture, PostgreSQL with rows as the ' +
        'peer. The peer has the numbers of stacks and functions beforehand, and keeps neither names, addresses, ' +
        `labels nor losses; both answers had the same ${LIMIT} functions with the same samples. PostgreSQL has fsync off. ` +
        `Load ${Math.min(...load).toFixed(0)} to ${Math.max(...load).toFixed(0)} on 2 cores`,
    ],
  };
}

/** Seconds on the clock, and of CPU of this process. */
async function clocked(work) {
  const started = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
}

/** @throws Error unless both have the same self and total; functions with equal ones may stand in either order */
function mustBeEqual(ours, plain) {
  const figures = (rows) => JSON.stringify(rows.map(({ self, total }) => [self, total]));
  const names = (rows) => JSON.stringify(rows.map(({ name }) => name).sort());
  const own = ours.map(({ name, self, total }) => ({ name, self: self.samples, total: total.samples }));
  if (figures(own) === figures(plain) && names(own) === names(plain)) return;
  throw new Error(`the answers differ: ${JSON.stringify(own)}; ${JSON.stringify(plain)}`);
}

/** Rows of `frames`: each function of a stack once, and whether it is the innermost. */
function* framesOf(stacks) {
  for (const [stack, frames] of stacks.entries()) {
    for (const row of new Set(frames)) yield [stack, row, row === frames.at(-1) ? 1 : 0];
  }
}

const named = (rows) =>
  rows.map((row) => ({ name: functionName(row.function), self: Number(row.self), total: Number(row.total) }));

function plainSqlite(file) {
  const database = new Database(file);
  database.pragma('journal_mode = wal');
  database.pragma('synchronous = normal');
  database.exec(tables);
  const frame = database.prepare('insert into frames values (?, ?, ?)');
  const sample = database.prepare('insert into samples values (?, ?, ?)');
  return {
    frames: database.transaction((stacks) => {
      for (const row of framesOf(stacks)) frame.run(...row);
      database.exec('create index frames_by_stack on frames (stack)');
    }),
    insert: database.transaction((capture, counts) => {
      for (const [stack, count] of counts) sample.run(capture, stack, count);
    }),
    top: () => named(database.prepare(topSql).all()),
    bytes: () => database.pragma('page_count', { simple: true }) * database.pragma('page_size', { simple: true }),
    close: () => database.close(),
  };
}

async function plainPostgres(connectionString) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query('create schema plain; set search_path = plain');
  await client.query(tables);
  const insertInto = (table, columns) =>
    client.query(`insert into ${table} select * from unnest($1::int[], $2::int[], $3::int[])`, columns);
  return {
    async frames(stacks) {
      const rows = [...framesOf(stacks)];
      await insertInto(
        'frames',
        [0, 1, 2].map((column) => rows.map((row) => row[column])),
      );
      await client.query('create index on frames (stack); analyze frames');
    },
    insert: (capture, counts) =>
      insertInto('samples', [Array(counts.size).fill(capture), [...counts.keys()], [...counts.values()]]),
    top: async () => named((await client.query(topSql)).rows),
    async bytes() {
      const { rows } = await client.query(
        `select sum(pg_total_relation_size(oid)) as bytes from pg_class where relnamespace = 'plain'::regnamespace and relkind = 'r'`,
      );
      return Number(rows[0].bytes);
    },
    close: () => client.end(),
  };
}

/** The one of the tests, a private server. */
async function startPostgres() {
  const path = (name) => fileURLToPath(new URL(name, import.meta.url));
  const outfile = path('../dist/bench/postgres-server.mjs');
  mkdirSync(path('../dist/bench'), { recursive: true });
  await build({
    ...{ entryPoints: [path('../test/controller/store/postgres-server.ts')], outfile, bundle: true },
    ...{ format: 'esm', platform: 'node', packages: 'external', logLevel: 'warning' },
  });
  const { postgresServer } = await import(outfile);
  return postgresServer();
}
