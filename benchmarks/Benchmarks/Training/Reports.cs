using System.Globalization;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.Benchmarks.Training;

/// <summary>A share with its 95% interval.</summary>
internal readonly record struct Rate(int Right, int Of)
{
    public double Share => (double)Right / Of;

    public override string ToString()
    {
        var interval = Statistics.Wilson(Right, Of);
        return string.Create(CultureInfo.InvariantCulture, $"{100 * Share:F1}% ({100 * interval.Low:F1}–{100 * interval.High:F1})");
    }
}

/// <summary>Prints what recipes measure every so many steps.</summary>
internal sealed class Every(int steps) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.Step % steps == 0)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  step {value.Step}: loss {value.Loss:F4}, ")
                + string.Join(", ", value.Measurements.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F3}"))));
    }
}
