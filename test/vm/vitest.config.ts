// The tests that need the VM (`npm run test:vm`). The image is made before the first test, so no test waits for it.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/**/*.vm.test.ts'],
    globalSetup: ['test/vm/need-image-main.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // A VM of two processors keeps this machine busy.
    maxWorkers: 1,
  },
});
