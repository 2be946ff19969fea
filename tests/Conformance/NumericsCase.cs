using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance;

/// <summary>One case of the numerics fixtures: its description and its arrays.</summary>
internal sealed class NumericsCase : IDisposable
{
    private readonly SafetensorsFile _file;
    private readonly Dictionary<string, Parameter> _inputs = [];

    public NumericsCase(JsonElement description, SafetensorsFile file)
    {
        _file = file;
        File = description.GetProperty("file").GetString()!;
        Name = description.GetProperty("case").GetString()!;
        Formula = description.GetProperty("op").GetString()!;
        Attributes = description.GetProperty("attributes");
        Output = description.GetProperty("outputs").EnumerateObject().Single().Name;
        OutputShape = Shape(description.GetProperty("outputs").GetProperty(Output));
        Gradients = description.GetProperty("gradients").EnumerateArray().Select(g => g.GetString()!).ToArray();
        Tolerance = Math.Max(1e-5, 20 * description.GetProperty("max_rel_diff_f32_vs_f64").GetDouble());
        foreach (var input in description.GetProperty("inputs").EnumerateObject())
        {
            var parameter = new Parameter(input.Name, Shape(input.Value));
            file.Read($"{Name}/{input.Name}", parameter.Values);
            _inputs.Add(input.Name, parameter);
        }
    }

    /// <summary>The pass that computes it at the moment.</summary>
    public Pass Pass { get; set; } = null!;

    public string File { get; }

    public string Name { get; }

    public string Formula { get; }

    public JsonElement Attributes { get; }

    public string Output { get; }

    public int[] OutputShape { get; }

    public string[] Gradients { get; }

    public double Tolerance { get; }

    public IEnumerable<Parameter> Inputs => _inputs.Values;

    public Parameter? Weight(string name) => _inputs.GetValueOrDefault(name);

    public Parameter Need(string name)
        => _inputs.TryGetValue(name, out var input) ? input : throw new InvalidDataException($"the case has no input '{name}'");

    /// <summary>An input as a tensor of (everything but the last dimension, last dimension).</summary>
    public Tensor Tensor(string name) => Pass.FromParameter(Need(name));

    public int[] ShapeOf(string name) => Need(name).Shape.ToArray();

    public bool HasConstant(string name) => _file.TryGet($"{Name}/{name}", out _) && !_inputs.ContainsKey(name);

    public float[] Floats(string name) => _file.ReadFloats($"{Name}/{name}");

    public int[] Integers(string name) => _file.ReadIntegers($"{Name}/{name}").Select(i => checked((int)i)).ToArray();

    public int[] ConstantShape(string name) => _file[$"{Name}/{name}"].Shape.ToArray().Select(d => checked((int)d)).ToArray();

    public float Number(string attribute, float otherwise)
        => Attributes.TryGetProperty(attribute, out var value) ? value.GetSingle() : otherwise;

    public bool Flag(string attribute) => Attributes.TryGetProperty(attribute, out var value) && value.GetBoolean();

    public bool Says(string words) => Formula.Contains(words, StringComparison.OrdinalIgnoreCase);

    public bool Is(string prefix) => Name.StartsWith(prefix, StringComparison.Ordinal);

    public void Dispose()
    {
        foreach (var input in _inputs.Values)
            input.Dispose();
    }

    private static int[] Shape(JsonElement shape) => shape.EnumerateArray().Select(d => d.GetInt32()).ToArray();
}
