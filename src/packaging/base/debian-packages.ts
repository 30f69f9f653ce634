/**
 * The Debian packages that the base `debian` is made of: Debian 12 (bookworm), point release 12.15, the last of its suite, so that the files stay where they are.
 * `scripts/pin-debian-packages.mjs` writes this table from a mirror's own index.
 */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  /** Below the mirror. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export const debianRelease = { name: 'bookworm', version: '12.15' } as const;

/** By Go's name of the architecture. */
export const debianPackages: Readonly<Record<string, readonly PinnedPackage[]>> = {
  amd64: [
    { name: 'ca-certificates', version: '20230311+deb12u1', path: 'pool/main/c/ca-certificates/ca-certificates_20230311+deb12u1_all.deb', sizeBytes: 155260, sha256: '0d5f444f594e48c1e16a41d8fc628a09b24c658916a1274025c2330f2a802bed' },
    { name: 'libc-bin', version: '2.36-9+deb12u14', path: 'pool/main/g/glibc/libc-bin_2.36-9+deb12u14_amd64.deb', sizeBytes: 609144, sha256: 'e667401af91fad95f15b3ebd25d1abd8373fd18b00dc32219678413170544e84' },
    { name: 'libc6', version: '2.36-9+deb12u14', path: 'pool/main/g/glibc/libc6_2.36-9+deb12u14_amd64.deb', sizeBytes: 2759320, sha256: 'ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf' },
    { name: 'libgcc-s1', version: '12.2.0-14+deb12u1', path: 'pool/main/g/gcc-12/libgcc-s1_12.2.0-14+deb12u1_amd64.deb', sizeBytes: 49856, sha256: '3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7' },
    { name: 'libstdc++6', version: '12.2.0-14+deb12u1', path: 'pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb', sizeBytes: 612604, sha256: '5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d' },
    { name: 'tzdata', version: '2026b-0+deb12u1', path: 'pool/main/t/tzdata/tzdata_2026b-0+deb12u1_all.deb', sizeBytes: 304148, sha256: '0edb49f4dffe0d5608069f7e4ba4d69544d3b9e86fc314dd8b75e9958d8e5e98' },
  ],
  arm64: [
    { name: 'ca-certificates', version: '20230311+deb12u1', path: 'pool/main/c/ca-certificates/ca-certificates_20230311+deb12u1_all.deb', sizeBytes: 155260, sha256: '0d5f444f594e48c1e16a41d8fc628a09b24c658916a1274025c2330f2a802bed' },
    { name: 'libc-bin', version: '2.36-9+deb12u14', path: 'pool/main/g/glibc/libc-bin_2.36-9+deb12u14_arm64.deb', sizeBytes: 534528, sha256: '65166ea54c05213c4f48d889138179f1b7345edd05031a9af276aa5fb4a45c05' },
    { name: 'libc6', version: '2.36-9+deb12u14', path: 'pool/main/g/glibc/libc6_2.36-9+deb12u14_arm64.deb', sizeBytes: 2324660, sha256: '01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4' },
    { name: 'libgcc-s1', version: '12.2.0-14+deb12u1', path: 'pool/main/g/gcc-12/libgcc-s1_12.2.0-14+deb12u1_arm64.deb', sizeBytes: 34816, sha256: '576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3' },
    { name: 'libstdc++6', version: '12.2.0-14+deb12u1', path: 'pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_arm64.deb', sizeBytes: 556608, sha256: '26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2' },
    { name: 'tzdata', version: '2026b-0+deb12u1', path: 'pool/main/t/tzdata/tzdata_2026b-0+deb12u1_all.deb', sizeBytes: 304148, sha256: '0edb49f4dffe0d5608069f7e4ba4d69544d3b9e86fc314dd8b75e9958d8e5e98' },
  ],
};
