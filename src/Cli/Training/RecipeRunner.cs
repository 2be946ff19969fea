using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Training;

/// <summary>Runs a recipe: makes the task of its settings, says what it will cost, trains, logs.</summary>
internal static class RecipeRunner
{
    private const double DefaultDecay = 0.1, FineTuningRate = 5e-4, FreshRate = 1e-3, PolicyRate = 1e-4, AdapterRate = 2e-3;
    private const string CostFile = "cost.json";
    private static readonly JsonSerializerOptions CostFormat = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>The recipes by name, with what each needs.</summary>
    public static IReadOnlyDictionary<string, string> Recipes { get; } = new SortedDictionary<string, string>(StringComparer.Ordinal)
    {
        ["text"] = "predict the next token of the texts (.txt, .md, .jsonl, .json) of --data: a new GPT of --depth layers, or --model "
            + "further",
        ["masked"] = "pretrain a BERT on the texts (.txt, .md, .jsonl, .json) of --data: masked words and next sentences",
        ["classify"] = "classes of texts: JSON lines with text (and second), label; from --model, or a new encoder",
        ["tag"] = "names, parts of speech: JSON lines with text and spans (start, end, label), or tokens and tags (B-PER, I-PER, O), or "
            + "CoNLL's columns (.conll, .txt); from --model, or a new encoder",
        ["answers"] = "find answers in passages: a file in SQuAD's layout; from --model, or a new encoder",
        ["embed"] = "vectors of texts: JSON lines with anchor, positive (and negative), or first, second, similarity",
        ["preferences"] = "DPO and its kin (--method): JSON lines with prompt, chosen, rejected, texts or lists of messages, or (for kto) "
            + "prompt, completion, label; needs --model",
        ["reward"] = "a reward model: JSON lines with prompt, chosen, rejected, texts or lists of messages; needs --model",
        ["grpo"] = "reinforce right results: JSON lines with prompt (a text or messages) or question, and answer; needs --model",
        ["ppo"] = "reinforce what a reward model (--teacher) likes: JSON lines with prompt, a text or messages; needs --model",
        ["distill"] = "teach a new GPT of --depth layers what --teacher thinks of the texts of --data",
        ["translation"] = "turn sources into targets: JSON lines with source, target, or a .tsv file; from --model, or a new Transformer",
        ["chat"] = "answer as in conversations: JSON lines (or an array) with messages (and tools) as OpenAI writes them, prompt and "
            + "completion, ShareGPT's conversations, Alpaca's instruction and output, or question and answer; the loss is taken on the "
            + "answers alone; from --model, or a new GPT",
        ["completions"] = "write completions: JSON lines with prompt, completion (or question, answer), no chat template; from "
            + "--model, or a new GPT",
    };

    /// <summary>Trains.</summary>
    public static async Task<int> RunAsync(RecipeSettings settings, CancellationToken cancellationToken)
    {
        RecipeChecks.Check(settings);
        RecipeMemory.Require(settings);
        var folder = new CheckpointFolder(settings.Out);

        // A folder that is there may be another run's; a new one is made when nothing stands against the run any more.
        using var early = Directory.Exists(settings.Out) ? folder.Hold() : null;
        using var held = new Disposables();
        var made = RecipeTasks.Make(settings, held, cancellationToken);
        var task = made.Task;
        var options = Options(settings, made);
        RequireMemory(settings, made, options);
        var trainer = TrainerOf(options);
        long start = trainer.CheckResume(task);
        using var late = early is null ? folder.Hold() : null;
        settings.Write();
        if (folder.LatestStep is null)
            await TellCostAsync(settings.Out, task, options, cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ConsoleCancelEventHandler onCancel = (_, e) =>
        {
            e.Cancel = true;
            stop.Cancel();
        };
        Console.CancelKeyPress += onCancel;
        try
        {
            var result = await ProgressDisplay.RunAsync(async progress =>
            {
                using var log = new TrainingLog(settings.Out, $"{settings.Recipe}: {settings.Out}", start, new TrainingSink(progress));
                return await trainer.RunAsync(task, log, stop.Token);
            });
            var measured = string.Join(", ", result.Measurements.Select(m => string.Create(
                CultureInfo.InvariantCulture, $"{(m.Name == "loss" ? "held-out loss" : m.Name)} {m.Value:G4}")));
            await Console.Error.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"Trained in {result.Duration.TotalSeconds:F1} s ({result.TokensPerSecond:N0} tokens/s)"
                    + $"{(measured.Length > 0 ? $": {measured}" : "")}; the result is in {settings.Out} (chart.html shows the curves)"));
            return 0;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"Stopped and saved; the same command goes on where it stopped ({settings.Out}).");
            throw;
        }
        finally
        {
            Console.CancelKeyPress -= onCancel;
        }
    }

    /// <summary>Writes to standard output as JSON what a run would cost; nothing is trained, and nothing is written elsewhere.</summary>
    public static async Task<int> TellCostAsync(RecipeSettings settings, CancellationToken cancellationToken)
    {
        RecipeChecks.Check(settings);
        RecipeMemory.Require(settings);
        using var held = new Disposables();
        var made = RecipeTasks.Make(settings, held, cancellationToken);
        var options = Options(settings, made);
        RequireMemory(settings, made, options);
        TrainerOf(options).CheckResume(made.Task);
        var cost = await TrainingCost.MeasureAsync(made.Task, options, cancellationToken);
        await Console.Out.WriteLineAsync(JsonOf(cost));
        return 0;
    }

    private static async Task TellCostAsync(
        string folder, TrainingTask task, TrainingOptions options, CancellationToken cancellationToken)
    {
        var cost = await TrainingCost.MeasureAsync(task, options, cancellationToken);
        AtomicFile.WriteText(Path.Combine(folder, CostFile), JsonOf(cost));
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{cost.TrainedWeights:N0} weights are trained for {cost.Steps:N0} steps of {cost.TokensInStep:N0} tokens: {cost.Tokens:N0} "
                + $"tokens, {cost.Flops:E1} FLOPs, {cost.StateBytes / 1048576.0:N0} MB for weights, gradients and moments, about "
                + $"{Duration(cost.Duration)} (a measured step takes {1000 * cost.SecondsInStep:N0} ms"
                + $"{(task is PolicyTask ? ", its completions included" : "")}; measuring on what is held out, every "
                + $"{options.EvaluateEvery:N0} steps, comes on top) …"));
    }

    private static string JsonOf(TrainingCost cost) => JsonSerializer.Serialize(cost, CostFormat);

    private static string Duration(TimeSpan time) => time.TotalMinutes < 2
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F0} s")
        : time.TotalHours < 2
            ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:F0} min")
            : string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:F1} h");

    // How long conversations and completions are is known when they are read.
    private static void RequireMemory(RecipeSettings settings, RecipeTask made, TrainingOptions options)
    {
        if (made.Task is LanguageModeling { Dataset: ChatDataset })
            RecipeMemory.Require(settings, (double)options.BatchSize * options.ContextLength!.Value);
    }

    // What is wrong with the options is said as an option of the command line.
    private static Trainer TrainerOf(TrainingOptions options)
    {
        try
        {
            return new Trainer(options);
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    private static TrainingOptions Options(RecipeSettings settings, RecipeTask made)
    {
        var (task, parts, fresh) = made;
        double rate = settings.LearningRate ?? (settings.Recipe switch
        {
            "grpo" or "ppo" or "preferences" => PolicyRate,
            _ when settings.Lora is not null => AdapterRate,
            "chat" when !fresh => PolicyRate,
            _ when fresh && task is CausalTask causal => DepthDial.LearningRate(causal.Model.Width),
            _ => fresh ? FreshRate : FineTuningRate,
        });
        int warmup = settings.Warmup ?? Math.Min(100, settings.Steps / 20);
        int every = settings.EvaluateEvery ?? Math.Max(1, settings.Steps / 4);
        double decay = settings.WeightDecay ?? (settings.Lora is null || settings.Optimizer != "adamw" ? DefaultDecay : 0);
        return new TrainingOptions
        {
            Steps = settings.Steps,
            BatchSize = settings.Batch,
            MicroBatches = settings.Accumulate ?? 1,
            ContextLength = task switch
            {
                // So that a step has as many texts as --batch says, or more where they are short.
                LanguageModeling { Dataset: ChatDataset texts } => texts.LongestConversation,
                CausalTask { Model: var model } => Math.Min(settings.Context ?? int.MaxValue, model.ContextLength),
                _ => settings.Context,
            },
            LearningRate = rate,
            LabelSmoothing = settings.Recipe == "preferences" ? 0 : settings.LabelSmoothing ?? 0,
            Schedule = settings.Schedule switch
            {
                "cosine" => settings.Warmup is null ? null : LearningRateSchedule.WarmupCosine(rate, rate / 10, warmup, settings.Steps),
                "constant" => settings.Warmup is null
                    ? LearningRateSchedule.Constant(rate)
                    : LearningRateSchedule.WarmupStableDecay(rate, rate, warmup, settings.Steps, settings.Steps),
                "wsd" => LearningRateSchedule.WarmupStableDecay(
                    rate, 0, warmup, Math.Max(warmup, settings.Steps * 4L / 5), settings.Steps),
                _ => LearningRateSchedule.InverseSquareRoot(rate, Math.Max(1, warmup)),
            },
            Optimizer = settings.Optimizer switch
            {
                "muon" => new MuonOptions { WeightDecay = decay },
                "lion" => new LionOptions { WeightDecay = decay },
                "sgd" => new SgdOptions { WeightDecay = settings.WeightDecay ?? 0 },
                _ => new AdamWOptions { WeightDecay = decay },
            },
            Scope = settings.LastLayers is null && settings.LayerDecay is null or 1
                ? null
                : new TrainingScope { LastLayers = settings.LastLayers, LayerDecay = settings.LayerDecay ?? 1 },
            AverageDecay = settings.AverageDecay,
            RecomputeActivations = settings.Recompute,
            Seed = settings.Seed,
            Device = ComputeDevice.Current,
            EvaluateEvery = every,
            Sample = SampleOf(settings, made),
            Checkpoints = new TrainingCheckpoints(settings.Out)
            {
                Every = every,
                SaveWhenCancelled = true,
                Parts = parts,
                IsHeld = true,
                Settings =
                [
                    ("recipe", settings.Recipe), ("schedule by name", settings.Schedule),
                    ("warmup", settings.Warmup is { } given ? string.Create(CultureInfo.InvariantCulture, $"{given}") : "default"),
                    ("model", NameOf(settings.Model)), ("teacher", NameOf(settings.Teacher)),
                ],
            },
        };
    }

    // The same model under another way of writing its path is the same.
    private static string NameOf(string model)
        => model.Length == 0 ? "none" : Path.Exists(model) ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)) : model;

    private static TrainingSample? SampleOf(RecipeSettings settings, RecipeTask made)
    {
        var (task, parts, _) = made;
        if (task is not CausalTask || parts.TokenizerJson is not { } json)
            return null;
        var (prompt, isMessage) = settings.SamplePrompt is { } given ? (given, settings.Recipe == "chat") : RecipeData.Beginning(settings);
        if (prompt.Length == 0)
            return null;
        var tokenizer = Tokenizer.Parse(System.Text.Encoding.UTF8.GetBytes(json));
        if (isMessage && parts.TokenizerSettings.ChatTemplate is { } jinja)
        {
            var template = ChatEncoding.ReadTemplate(jinja, parts.TokenizerSettings, tokenizer);
            var rendered = ChatEncoding.Render(template, new ChatTemplateInput
            {
                Turns = [new ChatTurn(ChatTurn.User, prompt)],
                AddGenerationPrompt = true,
            });
            return new TrainingSample(tokenizer, prompt + "\n")
            {
                PromptIds = rendered.Encode(tokenizer),
                EndId = PromptData.EndOf(template, tokenizer) ?? RecipeTasks.EndOf(parts),
            };
        }

        return new TrainingSample(tokenizer, prompt) { EndId = made.EndId ?? RecipeTasks.EndOf(parts) };
    }
}
