using System.CommandLine;

namespace Kotonoha.Cli.Training;

/// <summary><c>kotonoha train RECIPE</c>: one subcommand a recipe, all with the same options.</summary>
internal static class RecipeCommands
{
    private static readonly Option<string?> Config = Text("--config", "FILE",
        "A YAML file with these settings, such as the one a run wrote; "
        + "options on the command line win.");

    private static readonly Option<string?> Data = Text("--data", "PATH", "What is learned: a file or a folder.");
    private static readonly Option<string?> HeldOut = Text("--held-out", "FILE",
        "What is measured on (default: the last tenth of --data).");
    private static readonly Option<string?> Out = Text("--out", "DIR", "The folder for checkpoints, log and chart.");
    private static readonly Option<string?> Model = Text("--model", "DIR", "The model to go on from (default: a small new one).");
    private static readonly Option<string?> Teacher = Text("--teacher", "DIR", "The model that teaches, or the reward model.");
    private static readonly Option<int?> Steps = Number<int>("--steps", "N", "Training steps (default 1000).");
    private static readonly Option<int?> Batch = Number<int>("--batch", "N", "Texts in a step (default 8).");
    private static readonly Option<int?> Context = Number<int>("--context", "N",
        "The longest text in tokens (default: the model's context; for chat at most 2048, and 512 for a new model).");

    private static readonly Option<double?> Rate = Number<double>("--learning-rate", "R", "The highest learning rate.");
    private static readonly Option<string?> Optimizer = Text("--optimizer", "NAME", "adamw (default), muon, lion or sgd.");
    private static readonly Option<string?> Schedule = Text("--schedule", "NAME", "cosine (default), wsd, constant or inverse-sqrt.");
    private static readonly Option<int?> LastLayers = Number<int>("--last-layers", "N", "Train the last layers alone.");
    private static readonly Option<double?> LayerDecay = Number<double>("--layer-decay", "D",
        "The learning rate of each layer's predecessor.");
    private static readonly Option<int?> Lora = Number<int>("--lora", "RANK", "Train an adapter of this rank in place of the weights.");
    private static readonly Option<bool> Dora = new("--dora") { Description = "With --lora: train lengths apart from directions." };
    private static readonly Option<bool> Rslora = new("--rslora") { Description = "With --lora: scale by the root of the rank." };
    private static readonly Option<double?> Average = Number<double>("--average-decay", "D", "Keep a running average of the weights.");
    private static readonly Option<bool> Recompute = new("--recompute")
    {
        Description = "Compute what lies inside layers twice instead of keeping it: less memory, more time, the same result.",
    };

    private static readonly Option<int?> Depth = Number<int>("--depth", "N", "The layers of a new model; the rest follows (default 4).");
    private static readonly Option<int?> Vocabulary = Number<int>("--vocabulary", "N", "The tokens of a new tokenizer (default 4096).");
    private static readonly Option<string?> Method = Text("--method", "NAME",
        "For preferences: dpo (default), ipo, kto, orpo, simpo, cpo.");
    private static readonly Option<double?> Beta = Number<double>("--beta", "B", "For preferences: how closely the model is held.");
    private static readonly Option<int?> Seed = Number<int>("--seed", "N", "What all random numbers come from (default 1).");
    private static readonly Option<int?> EvaluateEvery = Number<int>("--evaluate-every", "N",
        "Steps between measurements, checkpoints and samples (default: a quarter of the run).");

    private static readonly Option<string?> SamplePrompt = Text("--sample-prompt", "TEXT",
        "What a language model continues each time it is measured (default: the beginning of the data).");

    private static readonly Option<bool> Cost = new("--cost") { Description = "Say as JSON what the run would cost; train nothing." };
    private static readonly Option<bool> StopWithInput = new("--stop-with-input")
    {
        Description = "Save and stop, as Ctrl+C does, when standard input ends: for programs that start this one.",
    };

    private static readonly Option<bool> CutLong = new("--cut-long")
    {
        Description = "For chat and completions: cut texts that are longer than --context instead of leaving them out.",
    };

    private static readonly Option<bool> SkipBad = new("--skip-bad-lines") { Description = "Leave out lines of data that cannot be read." };

    /// <summary>The subcommands.</summary>
    public static IEnumerable<Command> Create()
    {
        foreach (var (name, description) in RecipeRunner.Recipes)
        {
            var command = new Command(name, char.ToUpperInvariant(description[0]) + description[1..] + ".");
            foreach (var option in (Option[])[Data, HeldOut, Out, Model, Teacher, Steps, Batch, Context, Rate, Optimizer, Schedule,
                LastLayers, LayerDecay, Lora, Dora, Rslora, Average, Recompute, Depth, Vocabulary, Method, Beta, Seed, EvaluateEvery,
                SamplePrompt, CutLong, SkipBad, Cost, StopWithInput, Config])
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
    {
        var settings = parsed.GetValue(Config) is { } file ? RecipeSettings.Read(file) : new RecipeSettings();
        return settings with
        {
            Recipe = recipe,
            Data = parsed.GetValue(Data) ?? settings.Data,
            HeldOut = parsed.GetValue(HeldOut) ?? settings.HeldOut,
            Out = parsed.GetValue(Out) ?? settings.Out,
            Model = parsed.GetValue(Model) ?? settings.Model,
            Teacher = parsed.GetValue(Teacher) ?? settings.Teacher,
            Steps = parsed.GetValue(Steps) ?? settings.Steps,
            Batch = parsed.GetValue(Batch) ?? settings.Batch,
            Context = parsed.GetValue(Context) ?? settings.Context,
            LearningRate = parsed.GetValue(Rate) ?? settings.LearningRate,
            Optimizer = parsed.GetValue(Optimizer) ?? settings.Optimizer,
            Schedule = parsed.GetValue(Schedule) ?? settings.Schedule,
            LastLayers = parsed.GetValue(LastLayers) ?? settings.LastLayers,
            LayerDecay = parsed.GetValue(LayerDecay) ?? settings.LayerDecay,
            Lora = parsed.GetValue(Lora) ?? settings.Lora,
            Dora = parsed.GetValue(Dora) || settings.Dora,
            Rslora = parsed.GetValue(Rslora) || settings.Rslora,
            AverageDecay = parsed.GetValue(Average) ?? settings.AverageDecay,
            Recompute = parsed.GetValue(Recompute) || settings.Recompute,
            Depth = parsed.GetValue(Depth) ?? settings.Depth,
            Vocabulary = parsed.GetValue(Vocabulary) ?? settings.Vocabulary,
            Method = parsed.GetValue(Method) ?? settings.Method,
            Beta = parsed.GetValue(Beta) ?? settings.Beta,
            Seed = parsed.GetValue(Seed) is { } seed ? (ulong)Math.Max(0, seed) : settings.Seed,
            EvaluateEvery = parsed.GetValue(EvaluateEvery) ?? settings.EvaluateEvery,
            SamplePrompt = parsed.GetValue(SamplePrompt) ?? settings.SamplePrompt,
            CutLong = parsed.GetValue(CutLong) || settings.CutLong,
            SkipBadLines = parsed.GetValue(SkipBad) || settings.SkipBadLines,
        };
    }

    private static Option<string?> Text(string name, string help, string description)
        => new(name) { Description = description, HelpName = help };

    private static Option<T?> Number<T>(string name, string help, string description)
        where T : struct
        => new(name) { Description = description, HelpName = help };
}
