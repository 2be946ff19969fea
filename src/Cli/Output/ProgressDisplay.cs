using Kotonoha.Foundation;
using Spectre.Console;

namespace Kotonoha.Cli.Output;

/// <summary>Shows progress as bars on standard error, one a stage; silent where standard error is not a terminal.</summary>
internal static class ProgressDisplay
{
    /// <summary>Runs work that reports progress.</summary>
    public static async Task<T> RunAsync<T>(Func<IProgress<ProgressReport>, Task<T>> work)
    {
        if (Console.IsErrorRedirected)
            return await work(new Sink(static _ => { }));

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        T result = default!;
        await console.Progress()
            .AutoClear(false)
            .HideCompleted(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(),
                new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var tasks = new Dictionary<string, ProgressTask>(StringComparer.Ordinal);
                result = await work(new Sink(report =>
                {
                    lock (tasks)
                    {
                        if (!tasks.TryGetValue(report.Stage, out var task))
                            tasks[report.Stage] = task = context.AddTask(Markup.Escape(report.Stage), maxValue: 1);
                        task.IsIndeterminate = report.Total is null;
                        task.MaxValue = Math.Max(1, report.Total ?? report.Completed);
                        task.Value = report.Completed;
                        task.Description =
                            Markup.Escape(report.Detail is null
                                ? $"{report.Stage} {report.Completed}/{report.Total}"
                                : $"{report.Stage} {report.Completed}/{report.Total}  {report.Detail}");
                    }
                }));
                foreach (var task in tasks.Values)
                    task.StopTask();
            });
        return result;
    }

    /// <summary>Hands reports over at once, on the thread that makes them (<see cref="Progress{T}"/> would reorder them).</summary>
    internal sealed class Sink(Action<ProgressReport> show) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => show(value);
    }
}
