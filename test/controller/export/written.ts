// What an exporter of the table writes, in one piece.
import type { ExportOptions, FormatName } from '../../../controller/export/exporter.js';
import { exporters } from '../../../controller/export/formats.js';
import type { Profile } from '../../../profile/profile.js';

export function written(format: FormatName, profile: Profile, options: ExportOptions = {}): Buffer {
  const exporter = exporters[format];
  if (exporter.needs === 'series') throw new Error(`${format} is not for profiles`);
  return Buffer.concat([...exporter.write(profile, options)].map((part) => Buffer.from(part)));
}

export function writtenText(format: FormatName, profile: Profile, options: ExportOptions = {}): string {
  return written(format, profile, options).toString('utf8');
}
