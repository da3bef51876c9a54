// What the controller reads besides the wire: its inventory, words of the command line, its own database, and what it makes files of.
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { parseCallGraph } from '../../../controller/cli/options/call-graph.js';
import { parseDuration } from '../../../controller/cli/options/duration.js';
import { parseCpuList, parseIds, parsePercent } from '../../../controller/cli/options/numbers.js';
import { parseParameters } from '../../../controller/cli/options/script.js';
import { UsageError } from '../../../controller/cli/usage-error.js';
import { exporters } from '../../../controller/export/formats.js';
import { expandRange } from '../../../controller/fleet/host-range.js';
import { parseInventory } from '../../../controller/fleet/inventory.js';
import { matchesSelector, parseSelector } from '../../../controller/fleet/selector.js';
import { decodeHistograms, encodeHistograms } from '../../../controller/store/histogram-columns.js';
import { decodeSeries, encodeSeries } from '../../../controller/store/series-columns.js';
import { decodeText, encodeText } from '../../../controller/store/text-columns.js';
import type { HistogramPoint } from '../../../profile/histogram-series.js';
import { FailureError } from '../../../proto/failure.js';
import { decodeProfile } from '../../../proto/profile-codec.js';
import { texts } from '../seeds.js';
import { type FuzzTarget, promise } from '../target.js';
import { chunksWith, EVENTS, soundParts } from './sound-events.js';

const HOST = { name: 'db1', labels: { role: 'db', region: 'eu' }, address: { transport: 'local' } } as const;

const inventory: FuzzTarget = {
  name: 'inventory',
  grammar: 'text',
  seeds: () =>
    texts(
      'tls: { ca: ca/ca.crt, cert: ca/c.crt, key: ca/c.key }\ndefaults: { labels: { region: eu }, address: "tls://{name}.example.com:7451" }\nhosts:\n  - { name: here, address: local }\n  - { name: "db[01-20]", labels: { role: db } }\n  - { name: "web[1-3]", labels: { role: web }, address: "tls://10.0.0.[1-3]:7451", serverName: "{name}" }\n',
      'hosts:\n  - name: a\n    address: "tls://[::1]:1"\n    labels: {x: 1, y: true}\n  - &b {name: b, address: local}\n  - *b\n',
      'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nhosts: *c\n',
    ),
  run: (input) => {
    const { hosts } = parseInventory(Buffer.from(input).toString('utf8'), 'inventory.yaml');
    promise(new Set(hosts.map(({ name }) => name)).size === hosts.length, 'two hosts have one name');
    promise(
      hosts.every(({ name }) => !/[/\0\s]|^\.|^-/.test(name)),
      'a host name would make a path',
    );
  },
};

const selector: FuzzTarget = {
  name: 'selector',
  grammar: 'text',
  seeds: () => texts('role=db,region!=eu,name=web-*,zone in (a,b),!spare', 'a notin (x, y*), b', 'name=*a*b*c*d?'),
  run: (input) =>
    void matchesSelector(
      { ...HOST, name: Buffer.from(input).toString('utf8').slice(0, 500) },
      parseSelector(Buffer.from(input).toString('utf8')),
    ),
};

const range: FuzzTarget = {
  name: 'host-range',
  grammar: 'text',
  refusals: ['HostRangeError'],
  seeds: () => texts('db[01-20]', 'web[1-3,7]', 'a[1-10]b[1-10]c[1-10]'),
  run: (input) => promise(expandRange(Buffer.from(input).toString('utf8')).length <= 100_000, 'too many names'),
};

const words: FuzzTarget = {
  name: 'options',
  grammar: 'text',
  refusals: ['UsageError'],
  seeds: () => texts('30s', '1m30s', '0-3,8', '1,22,333', '12.5', 'dwarf,8192', 'top=20', 'fp'),
  run: (input) => {
    const text = Buffer.from(input).toString('utf8');
    const parsers = [
      () => parseDuration('--for', text),
      () => parseCpuList('--cpus', text),
      () => parseIds('--pid', text),
      () => parsePercent('--overhead', text),
      () => parseCallGraph(text),
      () => parseParameters([text]),
    ];
    for (const parse of parsers) {
      try {
        parse();
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }
  },
};

const points: HistogramPoint[] = EVENTS.flatMap(({ body }) => (body.kind === 'histograms' ? body.points : []));
const losses = [{ kind: 'lost-events', count: 3, detail: 'x' }] as const;
const STORED = [
  encodeHistograms({ points, interval: 1000, losses }),
  encodeSeries({
    points: EVENTS.flatMap(({ body }) => (body.kind === 'counters' ? body.points : [])),
    interval: 1000,
    losses,
  }),
  encodeText([{ time: 5, number: 1, stream: 'stdout', text: 'hello' }]),
];

/** Rows of a database that somebody changed: the JSON inside, and the compressed bytes themselves. */
const stored: FuzzTarget = {
  name: 'stored-columns',
  grammar: 'text',
  seeds: () => STORED.map((bytes) => brotliDecompressSync(bytes)),
  run: (input, random) => {
    const data = random.once(8) ? input : brotliCompressSync(input, { params: {} });
    for (const decode of [decodeHistograms, decodeSeries, decodeText]) {
      try {
        decode(data, 'the database');
      } catch (error) {
        if (!(error instanceof FailureError)) throw error;
      }
    }
  },
};

/** Any profile that is taken can be written in every format. */
const exported: FuzzTarget = {
  name: 'exports',
  grammar: 'message',
  refusals: ['ExportError'],
  seeds: () => soundParts(true),
  run: (input, random) => {
    const profile = decodeProfile(chunksWith(input, random), { maxRawBytes: 1 << 20, maxRows: 1 << 16 });
    const exporter = random.pick(Object.values(exporters));
    if (exporter.needs === 'series') return;
    let size = 0;
    for (const part of exporter.write(profile)) {
      size += part.length;
      promise(size < 1 << 26, `a ${exporter.format} of more than 64 MiB`);
      if (exporter.format === 'svg' && typeof part === 'string')
        promise(!/[^\P{Cc}\t\n\r]/u.test(part), 'an SVG with control characters');
    }
  },
};

export const CONTROLLER_TARGETS: readonly FuzzTarget[] = [inventory, selector, range, words, stored, exported];
