using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Training;

/// <summary>The tensors of one kind of loss and the description of its cases.</summary>
internal sealed class LossFixture : IDisposable
{
    private readonly JsonDocument? _description;

    public LossFixture(string tensors, string description)
    {
        File = SafetensorsFile.Open(tensors);
        _description = System.IO.File.Exists(description) ? JsonDocument.Parse(System.IO.File.ReadAllBytes(description)) : null;
    }

    public SafetensorsFile File { get; }

    public JsonElement Description => _description!.RootElement;

    public IEnumerable<JsonElement> Cases()
        => (Description.ValueKind == JsonValueKind.Array ? Description : Description.GetProperty("cases")).EnumerateArray();

    /// <summary>A tensor's numbers, whatever their type.</summary>
    public float[] Floats(string name)
        => File[name].Type == StoredType.Float32 ? File.ReadFloats(name) : Array.ConvertAll(File.ReadIntegers(name), i => (float)i);

    public int[] Shape(string name) => Array.ConvertAll(File[name].Shape.ToArray(), d => checked((int)d));

    /// <summary>A mask of tokens without its first column: the places that predict them.</summary>
    public float[] ShiftedMask(string name)
    {
        int columns = Shape(name)[1];
        return [.. Floats(name).Where((_, i) => i % columns != 0)];
    }

    public Parameter Parameter(string name) => Parameter(name, Shape(name), File.ReadFloats(name));

    public Parameter Parameter(string name, int[] shape, float[] values)
    {
        var parameter = new Parameter(name, shape);
        values.CopyTo(parameter.Values);
        return parameter;
    }

    public void Dispose()
    {
        File.Dispose();
        _description?.Dispose();
    }
}

/// <summary>One loss of one or two inputs, which it is differentiated by, on the device that the fixtures run on.</summary>
internal sealed class LossTrial : IDisposable
{
    private readonly Parameter[] _inputs;
    private readonly TrainingSession _session;

    public LossTrial(params Parameter[] inputs)
    {
        _inputs = inputs;
        _session = ComputingDevice.Training(inputs);
        Pass = _session.Begin(0);
        Input = Pass.FromParameter(inputs[0]);
        Second = inputs.Length > 1 ? Pass.FromParameter(inputs[1]) : default;
    }

    public Pass Pass { get; }

    public Tensor Input { get; }

    public Tensor Second { get; }

    public string? Differs(Tensor got, float[] want, double absolute, double relative)
        => CaseLog.Compare(Pass.Read(got), want, absolute, relative);

    public string? GradientDiffers(Tensor loss, float[] want, double absolute, double relative)
    {
        _session.Backward(loss);
        return CaseLog.Compare(Gradient(0), want, absolute, relative);
    }

    /// <summary>After <see cref="GradientDiffers"/>.</summary>
    public float[] SecondGradient() => Gradient(1);

    public void Dispose()
    {
        _session.Dispose();
        foreach (var input in _inputs)
            input.Dispose();
    }

    private float[] Gradient(int input)
    {
        var gradient = new float[_inputs[input].Length];
        _session.ReadGradient(_inputs[input], gradient);
        return gradient;
    }
}
