/** The registry of targets, one line each. */
import type { Target } from '../target.ts';
import { cloudRun } from './cloud-run/cloud-run.ts';
import { compose } from './compose/compose.ts';
import { docker } from './docker/docker.ts';
import { kubernetes } from './kubernetes/kubernetes.ts';
import { systemd } from './systemd/systemd.ts';

export const targets: readonly Target[] = [docker, compose, systemd, kubernetes, cloudRun];
