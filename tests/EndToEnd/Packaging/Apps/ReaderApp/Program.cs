// Reads an HTML page in a child process; where none can be started, says why and reads it in this process.
using System.Text;
using Kotonoha.Readers;

byte[] page = Encoding.UTF8.GetBytes("<p>The kettle boils at one hundred degrees.</p>");
try
{
    var document = await DocumentReaders.Default.ReadAsync(page, "kettle.html");
    Console.WriteLine($"read in a child process: {document.Text}");
}
catch (DocumentReaderUnavailableException error)
{
    Console.WriteLine(error.Message);
    var document = await DocumentReaders.InProcess.ReadAsync(page, "kettle.html");
    Console.WriteLine($"read in this process: {document.Text}");
}
