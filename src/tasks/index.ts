/** The registry of tasks: one line each. Without a word in the config, the first that recognizes a model is its task. */
import type { Task } from '../task.ts';
import { audioClassification } from './audio-classification/audio-classification.ts';
import { fileClassification } from './file-classification/file-classification.ts';
import { imageClassification } from './image-classification/image-classification.ts';
import { objectDetection } from './object-detection/object-detection.ts';
import { opticalCharacterRecognition } from './optical-character-recognition/optical-character-recognition.ts';
import { tabularClassification } from './tabular-classification/tabular-classification.ts';
import { tabularRegression } from './tabular-regression/tabular-regression.ts';
import { voiceActivityDetection } from './voice-activity-detection/voice-activity-detection.ts';

export const tasks: readonly Task[] = [audioClassification, fileClassification, imageClassification, objectDetection, opticalCharacterRecognition, tabularClassification, tabularRegression, voiceActivityDetection];
