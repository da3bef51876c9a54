// Three kinds of tests, all under test/: units and properties, contract suites, and end-to-end (names ending in .e2e.test.ts).
// Those that need a virtual machine (.vm.test.ts) run with `npm run test:vm`, those that need containers (.compose.test.ts) with `npm run test:compose`.
import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.vm.test.ts', 'test/**/*.compose.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    pool: 'forks',
    maxWorkers: 2,
    // Agents that tests start must not care how busy this machine is.
    env: { PERFTRAWL_ADMISSION: 'off' },
  },
});
