using System.CommandLine;

namespace Kotonoha.Cli.Training;

/// <summary><c>kotonoha train RECIPE</c>: one subcommand a recipe, each with the options that it has.</summary>
internal static class RecipeCommands
{
    private static readonly Option<string?> Config = ConfigOption(
        "A YAML file with these settings, such as the one a run wrote; options on the command line win.");

    private static readonly Option<bool> Cost = new("--cost") { Description = "Say as JSON what the run would cost; train nothing." };
    private static readonly Option<bool> StopWithInput = new("--stop-with-input")
    {
        Description = "Save and stop, as Ctrl+C does, when standard input ends: for programs that start this one.",
    };

    /// <summary>The subcommands.</summary>
    public static IEnumerable<Command> Create()
    {
        foreach (var (name, description) in RecipeRunner.Recipes)
        {
            var command = new Command(name, char.ToUpperInvariant(description[0]) + description[1..] + ".");
            foreach (var option in RecipeOption.All.Where(o => o.IsFor(name)).Select(o => o.Option).Concat([Cost, StopWithInput, Config]))
                command.Options.Add(option);
            command.SetAction(async (parsed, cancellationToken) =>
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                if (parsed.GetValue(StopWithInput))
                    StopAtEndOfInput(stop);
                var settings = Read(name, parsed);
                return await (parsed.GetValue(Cost) ? RecipeRunner.TellCostAsync(settings, stop.Token)
                    : RecipeRunner.RunAsync(settings, stop.Token));
            });
            yield return command;
        }
    }

    /// <summary>The option that names a file of settings.</summary>
    public static Option<string?> ConfigOption(string description) => new("--config") { Description = description, HelpName = "FILE" };

    // On a thread of its own that nobody waits for: reading cannot be cancelled.
    private static void StopAtEndOfInput(CancellationTokenSource stop) => new Thread(() =>
    {
        while (Console.In.Read() >= 0)
        {
        }

        try
        {
            stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The run has ended by itself.
        }
    })
    { IsBackground = true }.Start();

    private static RecipeSettings Read(string recipe, ParseResult parsed)
        => RecipeOption.All.Where(option => option.IsFor(recipe)).Aggregate(
            parsed.GetValue(Config) is { } file ? RecipeSettings.Read(file, recipe) : new RecipeSettings { Recipe = recipe },
            (settings, option) => option.Apply(parsed, settings));
}
