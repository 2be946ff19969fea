using System.Globalization;
using System.Numerics;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Training;

namespace Kotonoha.Page;

/// <summary>The settings of a run as somebody writes them, each by the name that the server's errors give it.</summary>
/// <param name="session">Says in its language what is no number.</param>
internal sealed class TrainingForm(Session session)
{
    /// <summary>What marks a collection among the data.</summary>
    public const string CollectionMark = "collection:";

    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal)
    {
        ["recipe"] = "text",
        ["steps"] = "1000",
        ["batch"] = "8",
    };

    public string this[string name]
    {
        get => _values.GetValueOrDefault(name, "");
        set => _values[name] = value;
    }

    public bool SkipBadLines { get; set; }

    /// <summary>Whether texts that are too long are cut.</summary>
    public bool CutLong { get; set; }

    /// <summary>Whether the recipe has a setting, and the model that is chosen leaves it open.</summary>
    public bool Has(string setting)
        => TrainingRecipes.Has(this["recipe"], setting) && setting switch
        {
            "depth" or "vocabulary" => this["model"].Length == 0,
            "lora" => this["model"].Length > 0,
            _ => true,
        };

    /// <summary>The settings; what was written into a field that the recipe lacks is left out.</summary>
    /// <exception cref="ApiException">A number is none; its field is named.</exception>
    public TrainingSettings Settings()
    {
        bool isCollection = this["data"].StartsWith(CollectionMark, StringComparison.Ordinal);
        return new TrainingSettings(this["recipe"])
        {
            Data = isCollection ? null : Text("data"),
            Collection = isCollection ? this["data"][CollectionMark.Length..] : null,
            HeldOut = Text("heldOut"),
            Model = Text("model"),
            Teacher = Text("teacher"),
            Steps = Number<int>("steps") ?? new TrainingSettings("").Steps,
            Batch = Number<int>("batch") ?? new TrainingSettings("").Batch,
            Context = Number<int>("context"),
            LearningRate = Number<double>("learningRate"),
            Optimizer = Text("optimizer"),
            Schedule = Text("schedule"),
            LastLayers = Number<int>("lastLayers"),
            Lora = Number<int>("lora"),
            AverageDecay = Number<double>("averageDecay"),
            Depth = Number<int>("depth"),
            Vocabulary = Number<int>("vocabulary"),
            Method = Text("method"),
            Beta = Number<double>("beta"),
            Seed = Number<int>("seed"),
            EvaluateEvery = Number<int>("evaluateEvery"),
            SamplePrompt = Text("samplePrompt"),
            CutLong = CutLong && Has("cutLong"),
            SkipBadLines = SkipBadLines,
        };
    }

    private string? Text(string name) => Has(name) && this[name].Trim() is { Length: > 0 } text ? text : null;

    private T? Number<T>(string name)
        where T : struct, INumber<T>
        => Text(name) is not { } text ? null
            : T.TryParse(text, NumberStyles.AllowLeadingSign | (typeof(T) == typeof(double) ? NumberStyles.Float : 0),
                CultureInfo.InvariantCulture, out T number)
                ? number
                : throw ApiException.Invalid(name, session.Format("training-not-a-number", text));
}
