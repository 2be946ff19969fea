using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Tensors;

/// <summary>The inputs of an operation under test: made of random numbers when first asked for, kept for the next pass.</summary>
internal sealed class Inputs : IDisposable
{
    private readonly List<Parameter> _parameters = [];
    private readonly Random _random = new(7);

    public required Pass Pass { get; set; }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    public Parameter Of(string name, params int[] shape)
    {
        if (_parameters.Find(p => p.Name == name) is { } known)
            return known;
        var parameter = new Parameter(name, shape);
        foreach (ref float value in parameter.Values)
            value = (float)(_random.NextDouble() * 3 - 1.5);
        _parameters.Add(parameter);
        return parameter;
    }

    public Tensor Tensor(string name, int rows, int columns) => Pass.FromParameter(Of(name, rows, columns));

    public Tensor Twice(Tensor x, Func<Tensor, Tensor, Tensor> operation) => operation(x, x);

    public void Dispose()
    {
        foreach (var parameter in _parameters)
            parameter.Dispose();
    }
}
