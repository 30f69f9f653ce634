import sys, numpy, requests
from PIL import Image

img = numpy.asarray(Image.open(sys.argv[1]).convert("RGB").resize((224, 224)))
print(requests.post("http://127.0.0.1:8000/model", json={"img": img.tolist()}).json())
