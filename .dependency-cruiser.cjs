// Which folder may import what: the rules of ARCHITECTURE.md, checked by `npm run check:dependencies`.
const only = (name, comment, from, allowed) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { pathNot: allowed },
});

/** A library with one importer: everybody else goes through that file or folder. */
const oneImporter = (library, importer) => ({
  name: `only-${importer.replace(/\W+/g, '-')}-imports-${library.replace(/\W+/g, '-')}`,
  comment: `${library} is imported by ${importer} alone`,
  severity: 'error',
  from: { pathNot: [`^${importer}`, '^test/'] },
  to: { path: `^node_modules/${library}/` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'profile-is-pure',
      comment: 'profile/ imports nothing outside itself: no Node, no package',
      severity: 'error',
      from: { path: '^profile/' },
      to: { pathNot: '^profile/' },
    },
    only('proto-imports', 'proto/ imports profile/, grpc-js, protobufjs', '^proto/', [
      '^proto/',
      '^profile/',
      '^node_modules/(@grpc/grpc-js|protobufjs|long)/',
      '^(buffer|crypto|fs|fs/promises|net|os|path|stream|events|zlib|util)$',
    ]),
    {
      name: 'agent-and-controller-are-strangers',
      comment: 'they meet in profile/ and proto/ only',
      severity: 'error',
      from: { path: '^(agent|controller)/' },
      to: { path: '^(agent|controller)/', pathNot: '^$1/' },
    },
    {
      name: 'generated-code-stays-in-proto',
      severity: 'error',
      from: { pathNot: '^proto/' },
      to: { path: '^proto/generated/' },
    },
    {
      name: 'agent-parsers-are-pure',
      comment: 'chunks in, records out: no I/O in parsers and in the collector',
      severity: 'error',
      from: { path: '^agent/perf/', pathNot: '^agent/perf/open-' },
      to: { path: '^(fs|fs/promises|net|child_process|http|os)$' },
    },
    {
      name: 'views-and-exports-see-profiles-only',
      severity: 'error',
      from: { path: '^controller/(views|export)/' },
      to: {
        pathNot: [
          '^controller/(views|export)/',
          '^profile/',
          '^proto/',
          '^node_modules/protobufjs/',
          '^(zlib|crypto)$',
        ],
      },
    },
    {
      name: 'stores-and-transports-know-no-jobs',
      comment: '{cli, web} -> app -> jobs -> {fleet, store} -> transport',
      severity: 'error',
      from: { path: '^controller/(fleet|store|transport)/' },
      to: { path: '^controller/(jobs|questions|cli|web|app\\.ts)' },
    },
    {
      name: 'jobs-know-no-questions',
      severity: 'error',
      from: { path: '^controller/jobs/' },
      to: { path: '^controller/questions/' },
    },
    {
      name: 'pull-sees-apps-only',
      comment: 'what is pulled from an app in this process is pulled from a server: only the App is asked',
      severity: 'error',
      from: { path: '^controller/pull/' },
      to: {
        path: '^controller/',
        pathNot: [
          '^controller/(pull|export|views)/',
          '^controller/(api|directories)\\.ts$',
          '^controller/fleet/selector\\.ts$',
          '^controller/jobs/(capture-gives|fan-out|owner)\\.ts$',
        ],
      },
    },
    {
      name: 'jobs-know-no-cli',
      severity: 'error',
      from: { path: '^controller/(jobs|questions|schedule|app\\.ts)' },
      to: { path: '^controller/(cli|web)/' },
    },
    oneImporter('ssh2', 'controller/transport/ssh/'),
    oneImporter('p-queue', 'controller/jobs/fan-out.ts'),
    oneImporter('(commander|@commander-js)', 'controller/cli/'),
    oneImporter('kysely', 'controller/store/'),
    oneImporter('better-sqlite3', 'controller/store/'),
    oneImporter('pg', 'controller/store/'),
    oneImporter('fastify', 'controller/web/'),
    oneImporter('prom-client', 'controller/web/metrics.ts'),
    oneImporter('croner', 'controller/schedule/calendar.ts'),
    { name: 'nothing-imports-tests', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },
    { name: 'every-import-resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.d.ts'],
    },
  },
};
