using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Cli.Models;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.Cli.Training;

/// <summary>
/// The memory that a run needs, by arithmetic from its settings and from the headers of models' files: nothing large is read or allocated.
/// </summary>
/// <param name="Weights">The weights of the model that learns.</param>
/// <param name="WeightBytes">Their bytes, as they are held.</param>
/// <param name="Trained">Those of them, or of its adapter, that are trained.</param>
/// <param name="OtherBytes">The bytes of a teacher, a reference or a reward model.</param>
/// <param name="Width">The width of its hidden states.</param>
/// <param name="Layers">Its layers.</param>
/// <param name="Vocabulary">Its token ids.</param>
/// <param name="Context">The tokens that it reads.</param>
internal sealed partial record RecipeMemory(
    double Weights, double WeightBytes, double Trained, double OtherBytes, double Width, int Layers, double Vocabulary, int Context)
{
    // What the processor's engine keeps for the backward pass: measured, in numbers of four bytes for each token.
    private const double KeptInLayer = 58, KeptAroundLayer = 2, KeptOfLogits = 5;
    private const int BytesOfNumber = 4, MaxSampledPrompt = 64;
    private const string GgufEmbedding = "token_embd.weight";
    private const double Giga = 1 << 30, FlopsForEachWeightAndToken = 6;

    /// <summary>Refuses a run whose weights, gradients, moments and activations the machine's memory cannot hold.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="tokens">The tokens of a batch, where the data are read already; null for what the settings say of them.</param>
    /// <exception cref="TrainingException">It cannot; the message says what is needed and what is there.</exception>
    public static void Require(RecipeSettings settings, double? tokens = null)
    {
        var need = Of(settings);
        double batch = tokens ?? need.TokensInStep(settings);
        double available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

        // Elsewhere the moments lie beside the weights on the device, which tells what it lacks itself.
        bool onProcessor = ComputeDevice.Current == Device.Cpu;
        double weights = need.WeightBytes + need.OtherBytes, state = onProcessor ? need.StateBytes(settings) : 0,
            activations = onProcessor ? need.ActivationBytes(settings, batch) : 0, all = weights + state + activations;
        if (all <= available)
            return;
        double learned = batch * settings.Steps * (settings.Accumulate ?? 1);
        throw new TrainingException(string.Create(CultureInfo.InvariantCulture,
            $"The run needs about {all / Giga:N1} GB of memory, and there are {available / Giga:N1} GB: {weights / Giga:N1} GB for weights "
                + $"({need.Weights:N0} of them), {state / Giga:N1} GB for gradients and moments, {activations / Giga:N1} GB for what a "
                + $"batch keeps{(learned > 0 ? $"; {FlopsForEachWeightAndToken * need.Trained * learned:E1} FLOPs in all" : "")}. Make the "
                + $"model smaller (--depth), train an adapter (--lora), or take fewer or shorter texts at once (--batch, --context, "
                + $"--recompute)."));
    }

    /// <summary>What a run needs.</summary>
    public static RecipeMemory Of(RecipeSettings settings)
    {
        double others = settings.Teacher.Length > 0 ? BytesOfNumber * (double)ModelSummary.Read(settings.Teacher).Parameters : 0;
        if (settings.Model.Length > 0)
            return Known(settings, ModelSummary.Read(settings.Model), others);
        double depth = settings.Depth ?? RecipeSettings.DefaultDepth, vocabulary = settings.Vocabulary ?? RecipeSettings.DefaultVocabulary;
        if (settings.Recipe == "distill")
            vocabulary = Number(ModelSummary.Read(settings.Teacher), "vocab_size") ?? vocabulary;
        bool isEncoder = settings.Recipe is "masked" or "classify" or "tag" or "answers" or "embed";
        bool isPair = settings.Recipe == "translation";
        int context = settings.Context ?? (isEncoder ? RecipeTasks.EncoderContext : isPair ? RecipeTasks.TranslationContext
            : settings.Recipe == "chat" ? RecipeTasks.ChatContext : DepthDial.Model(1, 1).ContextLength * (int)Math.Min(depth, 16));
        double width = depth
            * (isEncoder ? RecipeTasks.EncoderWidth : isPair ? RecipeTasks.TranslationWidth : DepthDial.Model(1, 1).Width);

        // A layer: attention of 4 w² + 4 w, feed-forward of 8 w² + 5 w, two norms of 2 w; a decoder attends a second time.
        double layer = 12 * width * width + 13 * width, cross = 4 * width * width + 6 * width;
        double weights = (vocabulary + context) * width + 2 * width + depth * (isPair ? 2 * layer + cross : layer);
        return new RecipeMemory(
            weights, BytesOfNumber * weights, weights, others, width, (int)Math.Min(int.MaxValue, isPair ? 2 * depth : depth), vocabulary,
            context);
    }

    private static RecipeMemory Known(RecipeSettings settings, ModelSummary model, double others)
    {
        double weights = model.Parameters;
        var layered = model.Tensors.Where(t => LayerNumber().IsMatch(t.Name)).ToArray();
        int layers = layered.Select(t => LayerNumber().Match(t.Name).Value).Distinct().Count();
        double trained = settings.Lora is { } rank
            ? layered.Where(t => t.Shape.Length == 2).Sum(t => (double)rank * (t.Shape[0] + t.Shape[1]))
            : settings.LastLayers is { } last && layers > 0
                ? layered.Sum(t => (double)t.Count) * Math.Min(last, layers) / layers
                : weights;

        // GRPO and PPO hold the model of the beginning too.
        if (settings.Recipe is "grpo" or "ppo")
            others += BytesOfNumber * weights;

        // Below an adapter matrices stay as they are stored, in half the bytes or in GGUF's blocks.
        bool isGguf = model.Format == "gguf";
        double bytes = model.Tensors.Sum(t => settings.Lora is not null && t.Shape.Length > 1 && (isGguf || t.Type is "F16" or "BF16")
            ? t.Bytes
            : BytesOfNumber * (double)t.Count);
        double width = Number(model, "n_embd", "hidden_size", "d_model", "embedding_length") ?? 0;
        double vocabulary = Number(model, "vocab_size")
            ?? (model.Tensors.FirstOrDefault(t => t.Name == GgufEmbedding) is { } table && width > 0 ? table.Count / width : 0);
        return new RecipeMemory(weights, bytes, trained, others, width, layers, vocabulary, (int)Math.Min(
            settings.Context ?? int.MaxValue, Number(model, "n_positions", "max_position_embeddings", "context_length") ?? 0));
    }

    private double StateBytes(RecipeSettings settings) => Trained * (BytesOfNumber + (settings.AverageDecay is null ? 0 : BytesOfNumber)
        + (settings.Optimizer == "adamw" ? 2 * BytesOfNumber : BytesOfNumber));

    // Known before the data are read where windows have the context's length; 0 elsewhere.
    private double TokensInStep(RecipeSettings settings) => settings.Recipe switch
    {
        "text" or "distill" or "masked" => (double)settings.Batch * Context,
        "grpo" or "ppo" => (double)settings.Batch * (settings.Group ?? new PolicyOptimizationOptions().GroupSize)
            * Math.Min(Context, (settings.MaxTokens ?? MaxSampledPrompt) + MaxSampledPrompt),
        _ => 0,
    };

    private double ActivationBytes(RecipeSettings settings, double tokens)
    {
        double inLayers = settings.Recompute ? KeptInLayer + Layers * KeptAroundLayer : (KeptInLayer + KeptAroundLayer) * Layers;
        return tokens * (inLayers * Width + KeptOfLogits * Vocabulary) * BytesOfNumber;
    }

    // GGUF puts the architecture before its names.
    private static double? Number(ModelSummary model, params string[] names)
    {
        var prefix = model.Architecture + ".";
        foreach (var (name, json) in model.Metadata)
            if (names.Contains(name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name)
                && double.TryParse(json, CultureInfo.InvariantCulture, out double value))
                return value;
        return null;
    }

    [GeneratedRegex(@"\.?(?:h|layers?|blk|block)\.\d{1,6}\.", RegexOptions.CultureInvariant)]
    private static partial Regex LayerNumber();
}
