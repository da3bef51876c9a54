// The smallest file that passes for a kernel module: an ELF object with a name and a vermagic, and any bytes behind.

/** @param rest bytes that no section holds */
export function moduleElf(name: string, kernelRelease: string, rest = ''): Buffer {
  const self = Buffer.alloc(0x340);
  self.write(name, 24, 'latin1');
  const info = Buffer.from(`license=GPL\0vermagic=${kernelRelease} SMP preempt mod_unload modversions \0`, 'latin1');
  const names = Buffer.from('\0.shstrtab\0.modinfo\0.gnu.linkonce.this_module\0', 'latin1');
  const contents = [Buffer.alloc(0), names, info, self];
  const nameAt = [0, 1, 11, 20];
  const header = Buffer.alloc(64);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(1, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  const sections = contents.map((content, index) => {
    const section = Buffer.alloc(64);
    const offset = 64 + contents.slice(0, index).reduce((sum, before) => sum + before.length, 0);
    section.writeUInt32LE(nameAt[index] ?? 0, 0);
    section.writeUInt32LE(index === 0 ? 0 : index === 1 ? 3 : 1, 4);
    section.writeBigUInt64LE(BigInt(offset), 24);
    section.writeBigUInt64LE(BigInt(content.length), 32);
    return section;
  });
  const data = Buffer.concat(contents);
  header.writeBigUInt64LE(BigInt(64 + data.length), 40);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(sections.length, 60);
  header.writeUInt16LE(1, 62);
  return Buffer.concat([header, data, ...sections, Buffer.from(rest, 'utf8')]);
}
