/** Triton's own binary from the Python package nvidia-pytriton (CPython of the virtual environment as the wheel wants it), without a GPU. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What starts Triton with one model of its Python backend: command, arguments, environment. `input` and `output` are dims of FP32 tensors. */
export function tritonCommand(environment, { name, code, input, output, port }) {
  const library = join(environment, 'lib', readdirSync(join(environment, 'lib')).find((entry) => entry.startsWith('python3.')));
  const site = join(library, 'site-packages');
  const version = library.slice(library.lastIndexOf('python') + 'python'.length);
  const work = mkdtempSync(join(tmpdir(), 'bench-triton-'));
  cpSync(join(site, 'pytriton/tritonserver/backends/python'), join(work, 'backends/python'), { recursive: true });
  cpSync(join(site, 'pytriton/tritonserver/python_backend_stubs', version, 'triton_python_backend_stub'), join(work, 'backends/python/triton_python_backend_stub'));
  const folder = join(work, 'models', name);
  mkdirSync(join(folder, '1'), { recursive: true });
  cpSync(code, join(folder, '1/model.py'));
  writeFileSync(join(folder, 'config.pbtxt'), [
    `name: "${name}"`, 'backend: "python"', 'max_batch_size: 64',
    `input [{ name: "input" data_type: TYPE_FP32 dims: [ ${input} ] }]`, `output [{ name: "output" data_type: TYPE_FP32 dims: [ ${output} ] }]`,
    'instance_group [{ count: 1 kind: KIND_CPU }]',
  ].join('\n'));
  return {
    command: join(site, 'pytriton/tritonserver/bin/tritonserver'),
    args: [`--model-repository=${join(work, 'models')}`, `--backend-directory=${join(work, 'backends')}`, '--http-address=127.0.0.1', `--http-port=${port}`, '--allow-grpc=false', '--allow-metrics=false', '--exit-timeout-secs=2'],
    env: { LD_LIBRARY_PATH: join(site, 'nvidia_pytriton.libs'), PYTHONPATH: site, PATH: `${join(environment, 'bin')}:${process.env.PATH ?? ''}` },
  };
}
