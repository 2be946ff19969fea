using Kotonoha.LocalModel.Tensors;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <summary>
/// The device's copies of parameters, without gradients and in the type of activations. A copy is made when a parameter is first asked for
/// and again after the parameter has been written to.
/// </summary>
internal class TorchWeights : IDisposable
{
    private readonly Dictionary<Parameter, (Values Tensor, int Version)> _copies = [];
    private readonly Dictionary<RotaryTable, (Values Cosines, Values Sines, int Positions)> _turns = [];

    public TorchWeights(TorchSettings settings) => Settings = settings;

    /// <summary>Device and type.</summary>
    public TorchSettings Settings { get; }

    /// <summary>The bytes of all copies.</summary>
    public virtual long Bytes
    {
        get
        {
            long sum = 0;
            foreach (var (tensor, _) in _copies.Values)
                sum += tensor.NumberOfElements * tensor.ElementSize;
            return sum;
        }
    }

    /// <summary>The copy of a parameter; it belongs to this object.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="withGradient">Whether it is used in a training pass.</param>
    public virtual Values Get(Parameter parameter, bool withGradient)
    {
        if (_copies.TryGetValue(parameter, out var copy))
        {
            if (copy.Version == parameter.Version)
                return copy.Tensor;
            copy.Tensor.Dispose();
        }

        var values = new float[parameter.Length];
        parameter.Read(values);
        var tensor = HostCopy.ToDevice(values, Shape(parameter), Settings.Type, Settings.Device);
        _copies[parameter] = (tensor, parameter.Version);
        return tensor;
    }

    /// <summary>
    /// Cosines and signed sines of the positions below a number, as <see cref="TorchPass"/> multiplies them: (positions, rotary width).
    /// </summary>
    public (Values Cosines, Values Sines) Turns(RotaryTable table, int positions)
    {
        if (_turns.TryGetValue(table, out var kept))
        {
            if (kept.Positions >= positions)
                return (kept.Cosines, kept.Sines);
            kept.Cosines.Dispose();
            kept.Sines.Dispose();
        }

        var turns = table.Turns(positions);
        int count = turns.Length / table.RotaryWidth;
        var (cosines, sines) = Upload(table, turns, count);
        _turns[table] = (cosines, sines, count);
        return (cosines, sines);
    }

    /// <summary>Spreads a table's cosines and sines over the features of a head.</summary>
    /// <param name="table">The table, for its pairs.</param>
    /// <param name="turns">Cosines and then sines of each pair, row after row.</param>
    /// <param name="rows">The rows.</param>
    public (Values Cosines, Values Sines) Upload(RotaryTable table, float[] turns, int rows)
    {
        int width = table.RotaryWidth, pairs = width / 2;
        var cosines = new float[rows * width];
        var sines = new float[rows * width];
        for (int row = 0; row < rows; row++)
            for (int p = 0; p < pairs; p++)
            {
                float cosine = turns[row * width + p], sine = turns[row * width + pairs + p];
                int first = row * width + (table.Interleaved ? 2 * p : p),
                    second = row * width + (table.Interleaved ? 2 * p + 1 : p + pairs);
                cosines[first] = cosines[second] = cosine;
                (sines[first], sines[second]) = (-sine, sine);
            }

        long[] shape = [rows, width];
        return (HostCopy.ToDevice(cosines, shape, Settings.Type, Settings.Device),
            HostCopy.ToDevice(sines, shape, Settings.Type, Settings.Device));
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        foreach (var (tensor, _) in _copies.Values)
            tensor.Dispose();
        _copies.Clear();
        foreach (var (cosines, sines, _) in _turns.Values)
        {
            cosines.Dispose();
            sines.Dispose();
        }

        _turns.Clear();
    }

    /// <summary>The dimensions of a parameter as torch takes them.</summary>
    protected static long[] Shape(Parameter parameter)
    {
        var shape = new long[Math.Max(1, parameter.Shape.Length)];
        shape[0] = 1;
        for (int i = 0; i < parameter.Shape.Length; i++)
            shape[i] = parameter.Shape[i];
        return shape;
    }
}
