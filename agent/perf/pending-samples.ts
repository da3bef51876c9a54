// Samples that wait for the side-band records of their round: a few numbers each, their call chains are in the chain table already.

export class PendingSamples {
  length = 0;
  chain = new Int32Array(1024);
  event = new Int32Array(1024);
  pid = new Int32Array(1024);
  tid = new Int32Array(1024);
  cpu = new Int32Array(1024);
  time = new Float64Array(1024);
  weight = new Float64Array(1024);

  push(chain: number, event: number, pid: number, tid: number, cpu: number, time: number, weight: number): void {
    const row = this.length++;
    if (row === this.chain.length) this.#grow();
    this.chain[row] = chain;
    this.event[row] = event;
    this.pid[row] = pid;
    this.tid[row] = tid;
    this.cpu[row] = cpu;
    this.time[row] = time;
    this.weight[row] = weight;
  }

  clear(): void {
    this.length = 0;
  }

  #grow(): void {
    const size = this.chain.length * 2;
    for (const column of ['chain', 'event', 'pid', 'tid', 'cpu'] as const) {
      const wider = new Int32Array(size);
      wider.set(this[column]);
      this[column] = wider;
    }
    for (const column of ['time', 'weight'] as const) {
      const wider = new Float64Array(size);
      wider.set(this[column]);
      this[column] = wider;
    }
  }
}
