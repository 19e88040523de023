// What an imported dashboard may be, made of the types that Grafana generates from its schemas.
import type { Dashboard, Panel, RowPanel } from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TimeSeries, FieldConfig } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { DataQuery } from '@grafana/schema/dist/esm/index.mjs';

// JSON has texts where TypeScript has enums.
type Plain<T> = T extends string ? `${T}`
  : T extends number | boolean | undefined | null ? T
  : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;

// The schema of Prometheus' queries is not in the package.
type Query = Plain<DataQuery> & { expr: string; legendFormat: string; editorMode: 'code'; range: true };

type Base = Plain<Omit<Panel, 'type' | 'targets' | 'options' | 'fieldConfig'>> & { targets: Query[] };
type StatPanel = Base & { type: 'stat'; options: Plain<Stat>; fieldConfig: { defaults: { unit: string; min: number }; overrides: [] } };
type ChartPanel = Base & {
  type: 'timeseries';
  options: Plain<TimeSeries>;
  fieldConfig: { defaults: { unit: string; min: number; custom: Plain<FieldConfig> }; overrides: [] };
};

type ImportedDashboard = Plain<Omit<Dashboard, 'panels'>> & { panels: (Plain<RowPanel> | StatPanel | ChartPanel)[] };

